"""Makes the data of the sample: 28x28 digits, white on black, as MNIST has them (MNIST itself is not redistributed here).

Two kinds, half and half: glyphs of the free fonts below, and pen strokes along hand-made curves. Each is shifted, rotated, sheared,
scaled, thickened and given noise at random. Seeded: the same fonts give the same bytes.

    python make_data.py            writes train.npz (x uint8 [N,784], y uint8 [N], scale 1/255), heldout.npz, and examples/<digit>.png,
                                   the first of each digit in heldout.npz

Fonts come from Debian's packages fonts-dejavu, fonts-liberation, fonts-freefont-ttf, fonts-roboto-unhinted (or fonts-roboto).
"""

import glob
import io
import math
import os
import zipfile

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE = 28
CANVAS = 112  # drawn four times as large, then scaled down: smooth edges
FONT_GLOBS = [
    "/usr/share/fonts/truetype/dejavu/DejaVu*.ttf",
    "/usr/share/fonts/truetype/liberation*/Liberation*.ttf",
    "/usr/share/fonts/truetype/freefont/Free*.ttf",
    "/usr/share/fonts/truetype/roboto/**/Roboto-*.ttf",
]

# Pen paths in a unit square (x right, y down): polylines through these points, smoothed by Chaikin's corner cutting.
STROKES = {
    0: [[[(0.5, 0.05), (0.15, 0.15), (0.12, 0.5), (0.2, 0.9), (0.5, 0.95), (0.82, 0.88), (0.88, 0.5), (0.82, 0.12), (0.5, 0.05)]]],
    1: [[[(0.5, 0.05), (0.5, 0.95)]], [[(0.3, 0.25), (0.55, 0.05), (0.55, 0.95)]], [[(0.3, 0.25), (0.52, 0.05), (0.52, 0.95)], [(0.3, 0.95), (0.75, 0.95)]]],
    2: [[[(0.15, 0.25), (0.3, 0.05), (0.75, 0.05), (0.85, 0.3), (0.6, 0.6), (0.12, 0.95)], [(0.12, 0.95), (0.9, 0.95)]], [[(0.15, 0.25), (0.35, 0.05), (0.8, 0.1), (0.75, 0.45), (0.3, 0.85), (0.15, 0.95), (0.35, 0.85), (0.9, 0.95)]]],
    3: [[[(0.15, 0.12), (0.5, 0.02), (0.85, 0.15), (0.8, 0.4), (0.4, 0.48)], [(0.4, 0.48), (0.85, 0.55), (0.9, 0.8), (0.55, 0.98), (0.12, 0.88)]], [[(0.15, 0.05), (0.85, 0.05), (0.45, 0.42)], [(0.45, 0.42), (0.85, 0.5), (0.88, 0.8), (0.5, 0.98), (0.12, 0.88)]]],
    4: [[[(0.65, 0.05), (0.12, 0.62)], [(0.12, 0.62), (0.92, 0.62)], [(0.66, 0.35), (0.66, 0.96)]], [[(0.22, 0.05), (0.18, 0.5)], [(0.18, 0.5), (0.82, 0.48)], [(0.78, 0.05), (0.74, 0.96)]]],
    5: [[[(0.82, 0.05), (0.25, 0.05)], [(0.25, 0.05), (0.2, 0.45)], [(0.2, 0.45), (0.6, 0.35), (0.9, 0.6), (0.75, 0.92), (0.4, 0.98), (0.12, 0.86)]]],
    6: [[[(0.75, 0.05), (0.35, 0.25), (0.13, 0.65), (0.3, 0.95), (0.7, 0.95), (0.85, 0.7), (0.65, 0.48), (0.3, 0.55), (0.15, 0.75)]]],
    7: [[[(0.12, 0.07), (0.88, 0.07)], [(0.88, 0.07), (0.55, 0.45), (0.38, 0.96)]], [[(0.12, 0.07), (0.88, 0.07)], [(0.88, 0.07), (0.5, 0.5), (0.4, 0.96)], [(0.3, 0.5), (0.72, 0.5)]]],
    8: [[[(0.5, 0.48), (0.2, 0.32), (0.25, 0.06), (0.6, 0.02), (0.82, 0.2), (0.7, 0.4), (0.5, 0.48), (0.2, 0.62), (0.14, 0.85), (0.45, 0.98), (0.82, 0.88), (0.82, 0.65), (0.5, 0.48)]]],
    9: [[[(0.82, 0.3), (0.6, 0.05), (0.25, 0.1), (0.15, 0.35), (0.35, 0.52), (0.7, 0.48), (0.84, 0.25), (0.8, 0.6), (0.7, 0.96)]], [[(0.8, 0.25), (0.5, 0.03), (0.18, 0.2), (0.25, 0.5), (0.6, 0.5), (0.8, 0.25)], [(0.8, 0.25), (0.82, 0.6), (0.55, 0.95), (0.25, 0.92)]]],
}


def fonts():
    paths = sorted(p for g in FONT_GLOBS for p in glob.glob(g, recursive=True))
    paths = [p for p in paths if "Mono" not in p or "Bold" not in p]
    if len(paths) < 12:
        raise SystemExit("too few fonts: install fonts-dejavu, fonts-liberation, fonts-freefont-ttf, fonts-roboto")
    return paths


def chaikin(points, rounds=3):
    for _ in range(rounds):
        cut = [points[0]]
        for (x0, y0), (x1, y1) in zip(points, points[1:]):
            cut += [(0.75 * x0 + 0.25 * x1, 0.75 * y0 + 0.25 * y1), (0.25 * x0 + 0.75 * x1, 0.25 * y0 + 0.75 * y1)]
        points = cut + [points[-1]]
    return points


def glyph(digit, path, cache={}):
    if path not in cache:
        cache[path] = ImageFont.truetype(path, 88)
    image = Image.new("L", (CANVAS, CANVAS), 0)
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = draw.textbbox((0, 0), str(digit), font=cache[path])
    draw.text(((CANVAS - right - left) / 2, (CANVAS - bottom - top) / 2), str(digit), fill=255, font=cache[path])
    return image


def stroke(digit, rng):
    image = Image.new("L", (CANVAS, CANVAS), 0)
    draw = ImageDraw.Draw(image)
    width = int(rng.integers(6, 15))
    variants = STROKES[digit]
    wobble = 0.035
    w, h = 52 * rng.uniform(0.75, 1.15), 76 * rng.uniform(0.9, 1.05)
    for line in variants[int(rng.integers(len(variants)))]:
        points = [(x + rng.normal(0, wobble), y + rng.normal(0, wobble)) for x, y in line]
        points = [((x - 0.5) * w + CANVAS / 2, (y - 0.5) * h + CANVAS / 2) for x, y in chaikin(points)]
        draw.line(points, fill=255, width=width, joint="curve")
        for x, y in (points[0], points[-1]):
            r = width / 2
            draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
    return image


def distort(image, rng):
    angle = math.radians(rng.normal(0, 9))
    shear = rng.normal(0, 0.12)
    sx, sy = rng.uniform(0.85, 1.3), rng.uniform(0.85, 1.3)
    tx, ty = rng.normal(0, 6), rng.normal(0, 5)
    cos, sin = math.cos(angle), math.sin(angle)
    a, b, d, e = sx * cos, sx * (shear * cos - sin), sy * sin, sy * (shear * sin + cos)
    c0 = CANVAS / 2
    matrix = (a, b, c0 - a * (c0 + tx) - b * (c0 + ty), d, e, c0 - d * (c0 + tx) - e * (c0 + ty))
    image = image.transform((CANVAS, CANVAS), Image.AFFINE, matrix, Image.BILINEAR)
    thickness = rng.random()
    if thickness < 0.2:
        image = image.filter(ImageFilter.MaxFilter(5))
    elif thickness < 0.35:
        image = image.filter(ImageFilter.MinFilter(3))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.5))).resize((SIZE, SIZE), Image.LANCZOS)
    pixels = np.asarray(image, np.float32) * rng.uniform(0.75, 1.15)
    # Noise on the ink only: an empty background compresses well and is what a canvas gives.
    pixels = pixels + np.where(pixels > 12, rng.normal(0, 14, pixels.shape), 0)
    return np.where(pixels < 12, 0, np.clip(pixels, 0, 255)).astype(np.uint8)


def make(count, seed):
    rng = np.random.default_rng(seed)
    paths = fonts()
    y = rng.integers(0, 10, count).astype(np.uint8)
    x = np.zeros((count, SIZE * SIZE), np.uint8)
    for i, digit in enumerate(y):
        # A hair line can thin out to nothing: what nobody could read is drawn again.
        while x[i].max() < 96:
            drawn = stroke(int(digit), rng) if rng.random() < 0.5 else glyph(int(digit), paths[int(rng.integers(len(paths)))])
            x[i] = distort(drawn, rng).reshape(-1)
    return x, y


def save(name, x, y):
    """np.savez_compressed with fixed times, so that the same arrays give the same bytes."""
    with zipfile.ZipFile(os.path.join(HERE, name), "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for key, array in (("x", x), ("y", y), ("scale", np.float32(1 / 255))):
            buffer = io.BytesIO()
            np.save(buffer, array)
            z.writestr(zipfile.ZipInfo(key + ".npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue(), zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    for name, count, seed in (("train.npz", 28000, 20180), ("heldout.npz", 2000, 20181)):
        x, y = make(count, seed)
        save(name, x, y)
        if name == "heldout.npz":
            os.makedirs(os.path.join(HERE, "examples"), exist_ok=True)
            for digit in range(10):
                first = x[int(np.argmax(y == digit))].reshape(SIZE, SIZE)
                Image.fromarray(first).save(os.path.join(HERE, "examples", f"{digit}.png"), optimize=True)
        print(name, x.shape, "mean", round(float(x.mean()), 2), os.path.getsize(os.path.join(HERE, name)), "bytes")
