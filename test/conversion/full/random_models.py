"""Random models, built and saved by the real frameworks: python random_models.py keras2|keras3 FIRST COUNT FOLDER

Case n is the same model whenever it is made. Graphs branch, share layers, nest models, take several inputs and give several outputs, carry
masks and use raw operations; names collide on purpose. FOLDER gets the files, and cases.jsonl: for each case its files, random inputs, what
the same model in float64 answers, and how far Keras's own float32 is from that."""

import json
import os
import random
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures"))

import numpy as np
import tensorflow as tf
from make_layers import FRAMEWORKS, floatx, pack, predict
from random_layers import MERGES, OPERATIONS2, OPERATIONS3, STEPS

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

# What Keras itself would call layers, in orders in which it would not.
NAMES = ["dense", "dense_1", "dense_2", "conv2d", "conv2d_1", "lstm", "gru_1", "add", "model", "model_1", "sequential", "sequential_1", "functional", "functional_1", "input_1", "x", "kernel", "bias", "layers", "vars", "cell", "forward_layer", "a.b", "dense-1", "embedding", "batch_normalization", "concatenate", "1", "multi_head_attention", "tf.math.multiply", "operator"]


class Unfit(Exception):
    """This draw makes no model: draw again."""


class Net:
    """Grows one model, layer by layer."""

    def __init__(self, k, rng, depth=0):
        self.k, self.L, self.rng, self.depth = k, k.layers, rng, depth
        self.is3 = k is FRAMEWORKS["keras3"]
        self.names, self.inputs, self.tensors, self.made = set(), [], [], []
        # By identity, with the tensor itself: the number of one that is gone is given to another.
        self.seen = {}

    def mark(self, *tensors):
        self.seen.update((id(t), t) for t in tensors)

    def is_read(self, tensor):
        return id(tensor) in self.seen

    def name(self):
        free = [n for n in NAMES if n not in self.names]
        if self.rng.random() < 0.5 and free:
            name = self.rng.choice(free)
            self.names.add(name)
            return {"name": name}
        return {}

    def named(self, make):
        """By a name that may be one that Keras would give to another layer; Keras's own numbers then may run into it."""
        for _ in range(6):
            name = self.name()
            made = make(**name)
            own = made.name.split("/")[-1]
            if name or own not in self.names:
                break
        self.names.add(own)
        return made

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, *options):
        return self.rng.choice(options)

    def input(self, shape, dtype=None):
        # A Functional model's boundary: names of inputs are what a service's users see.
        x = self.named(lambda **name: self.k.Input(shape, dtype=dtype or self.k.backend.floatx(), **name))
        self.inputs.append(x)
        self.tensors.append(x)
        return x

    def add(self, *tensors):
        self.tensors.extend(tensors)
        return tensors[0]

    def layer(self, kind, *args, **config):
        layer = self.named(lambda **name: getattr(self.L, kind)(*args, **config, **name))
        if self.chance(0.15):
            layer.trainable = False
        return layer

    def call(self, layer, *xs, **kwargs):
        y = layer(*xs, **kwargs)
        flat = [t for x in xs for t in (x if isinstance(x, (list, tuple)) else [x])]
        if not kwargs:
            self.made.append((layer, xs, [(tuple(t.shape), str(t.dtype)) for t in flat]))
        self.mark(*flat)
        return self.add(*(y if isinstance(y, (list, tuple)) else [y]))

    def of(self, *ranks, dtype="float"):
        """A tensor of one of the ranks, rather a new one, rather one that nothing has read."""
        found = [t for t in self.tensors if len(t.shape) in ranks and dtype in str(t.dtype)]
        if not found:
            raise Unfit(f"no tensor of rank {ranks}")
        fresh = [t for t in found if not self.is_read(t)]
        return self.rng.choice(fresh if fresh and self.chance(0.7) else found[-4:])

    def like(self, x):
        found = [t for t in self.tensors if tuple(t.shape) == tuple(x.shape) and str(t.dtype) == str(x.dtype) and t is not x]
        return self.rng.choice(found) if found else x

    def again(self):
        """Calls a layer, or a model, once more with other tensors of the same shapes."""
        if not self.made:
            raise Unfit("nothing to share")
        layer, _, signature = self.rng.choice(self.made)
        xs = []
        for shape, dtype in signature:
            found = [t for t in self.tensors if (tuple(t.shape), str(t.dtype)) == (shape, dtype)]
            xs.append(self.rng.choice(found))
        y = layer(xs if len(xs) > 1 else xs[0])
        self.mark(*xs)
        self.add(*(y if isinstance(y, (list, tuple)) else [y]))

    def nested(self):
        """A model inside, of the shapes of tensors that are there."""
        if self.depth > 1:
            raise Unfit("deep enough")
        if self.chance(0.35):
            return self.sequence_inside()
        inner = Net(self.k, self.rng, self.depth + 1)
        xs = [self.rng.choice(self.tensors) for _ in range(self.pick(1, 1, 2))]
        for x in xs:
            inner.input(tuple(x.shape)[1:], x.dtype if isinstance(x.dtype, str) else x.dtype.name)
        inner.grow(self.rng.randint(1, 5))
        model = self.named(lambda **name: inner.model(self.pick(1, 1, 2), **name))
        self.call(model, xs if len(xs) > 1 else xs[0])

    def sequence_inside(self):
        x = self.of(2, 3, 4)
        inner = Net(self.k, self.rng, self.depth + 1)
        probe = inner.input(tuple(x.shape)[1:])
        layers = []
        for _ in range(self.rng.randint(1, 3)):
            before = len(inner.made)
            inner.tensors = inner.tensors[-1:]
            try:
                inner.step(chain=True)
            except Unfit:
                continue
            made = inner.made[before:]
            if len(made) == 1 and len(made[0][2]) == 1:
                layers.append(made[0][0])
            else:
                inner.tensors = [probe] if not layers else inner.tensors[:1]
                break
        if not layers:
            raise Unfit("an empty Sequential")
        start = [self.L.Input(tuple(x.shape)[1:])] if self.chance(0.6) else []
        # The same configs, as layers that no other graph has seen.
        fresh = [type(layer).from_config(layer.get_config()) for layer in layers]
        self.call(self.named(lambda **name: self.k.Sequential([*start, *fresh], **name)), x)

    def step(self, chain=False):
        """One more layer, or a few that belong together."""
        kinds = ["layer"] * 12 if chain else ["layer"] * 12 + ["merge"] * 4 + ["operation"] * 4 + ["again"] * 3 + ["nested"] * 3
        kind = self.rng.choice(kinds)
        if kind == "layer":
            x = self.rng.choice([t for t in self.tensors if "float" in str(t.dtype)][-3:] or self.tensors)
            if "float" in str(x.dtype) and not chain:
                x = self.of(2, 3, 4, 5)
            rank = len(x.shape) if "float" in str(x.dtype) else "ids"
            if rank not in STEPS:
                raise Unfit(f"rank {rank}")
            self.rng.choice(STEPS[rank])(self, x)
        elif kind == "merge":
            self.rng.choice(MERGES)(self)
        elif kind == "operation":
            self.rng.choice(OPERATIONS3 if self.is3 else OPERATIONS2)(self)
        else:
            getattr(self, kind)()

    def grow(self, count):
        done, tries = 0, 0
        while done < count and tries < 8 * count:
            tries += 1
            try:
                self.step()
                done += 1
            except Unfit:
                continue
        if done == 0:
            raise Unfit("nothing grew")

    def model(self, outputs, **name):
        ends = [t for t in self.tensors if not self.is_read(t) and not any(t is i for i in self.inputs)]
        ends = ends or [t for t in self.tensors if not any(t is i for i in self.inputs)]
        if not ends:
            raise Unfit("no outputs")
        self.rng.shuffle(ends)
        chosen = ends[: max(outputs, min(len(ends), 4))] if self.depth == 0 else ends[:outputs]
        return self.k.Model(self.inputs if len(self.inputs) > 1 else self.inputs[0], chosen if len(chosen) > 1 else chosen[0], **name)


def build(k, seed):
    rng = random.Random(seed)
    net = Net(k, rng)
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
        rng.choice(
            [
                lambda: net.input((rng.randint(2, 6),)),
                lambda: net.input((rng.choice([4, 5, None]), rng.randint(2, 4))),
                lambda: net.input((rng.randint(5, 8), rng.randint(5, 8), rng.randint(1, 4))),
                lambda: net.input((rng.choice([3, 6, None]),), "int32"),
                lambda: net.input((rng.choice([3, 6, None]),), "int32"),
                lambda: net.input((4, 4, 5, 2)),
            ]
        )()
    net.grow(rng.randint(4, 18))
    return net.model(rng.choice([1, 1, 2]), **net.name())


def randomize(model, rng):
    """Weights that keep values apart and of about the same size through many layers."""
    for variable in model.weights:
        name = getattr(variable, "path", variable.name)
        if "int" in str(variable.dtype) or "seed_generator" in name:
            continue
        shape = tuple(variable.shape)
        fan = max(1, int(np.prod(shape[:-1]))) if len(shape) > 1 else 3
        value = rng.uniform(0.3, 1.7, shape) if "variance" in name else rng.normal(0, 1 / np.sqrt(fan), shape)
        variable.assign(value.astype("float32"))


def values(model, rng):
    sizes = lambda t: [3, *(d or 5 for d in tuple(t.shape)[1:])]
    is_float = lambda t: "float" in str(t.dtype)
    return [rng.normal(0, 1, sizes(t)).astype("float32") if is_float(t) else rng.integers(0, 5, sizes(t)).astype("int32") for t in model.inputs]


def told(what):
    if os.environ.get("FUZZ_VERBOSE"):
        print(what, file=sys.stderr)


def parts(model):
    return [type(layer).__name__ for layer in model._flatten_layers()], [tuple(t.shape) for t in model.outputs]


def in_float64(k, seed, model, inputs, single):
    """What the same model answers in float64, and how far float32 is from it; TensorFlow has no float64 for some layers."""
    try:
        floatx(k, "float64")
        k.backend.clear_session()
        exact = build(k, seed)
        # What float64 cannot do is drawn again, which makes another model.
        if parts(exact) != parts(model):
            raise Unfit("another model in float64")
        for to, source in zip(exact.weights, model.weights, strict=True):
            to.assign(np.asarray(source))
        double = predict(exact, [i.astype("float64") if i.dtype == np.float32 else i for i in inputs])
        return double, [float(np.max(np.abs(a.astype("float64") - b.astype("float64")), initial=0)) for a, b in zip(single, double)]
    except Exception as error:
        told(f"no float64: {str(error)[:160]}")
        return single, [2e-6 * float(np.max(np.abs(o), initial=0)) for o in single]
    finally:
        floatx(k, "float32")


def make(framework, case, folder):
    """@returns the record of a case; draws again where a draw makes no model, or one whose answers are no numbers."""
    k = FRAMEWORKS[framework]
    for draw in range(40):
        seed = case * 1000 + draw
        floatx(k, "float32")
        k.backend.clear_session()
        try:
            model = build(k, seed)
            randomize(model, np.random.default_rng(seed))
            inputs = values(model, np.random.default_rng(seed + 1))
            single = predict(model, inputs)
            if not all(np.all(np.isfinite(o)) and np.max(np.abs(o), initial=0) < 1e4 for o in single) or not any(np.std(o) > 1e-3 for o in single):
                continue
        except Exception as error:
            told(f"{framework} {seed}: {type(error).__name__} {str(error)[:160]}")
            continue
        files, unsaved = [], []
        for end in ("h5", "keras"):
            file = f"{framework}-{case}.{end}"
            try:
                model.save(os.path.join(folder, file), **({"include_optimizer": False} if end == "h5" else {}))
                files.append(file)
            except Exception as error:  # Keras cannot save every model of its own in every format.
                unsaved.append(f"{end}: {str(error)[:120]}")
        double, errors = in_float64(k, seed, model, inputs, single)
        layers = sorted({type(layer).__name__ for layer in model._flatten_layers()})
        return {"name": f"{framework}-{case}", "draws": draw + 1, "files": files, "unsaved": unsaved, "layers": layers, "inputs": pack(inputs), "outputs": pack(double), "kerasErrors": errors}
    raise SystemExit(f"{framework} {case}: no draw of 40 made a model")


if __name__ == "__main__":
    framework, first, count, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    with open(os.path.join(folder, "cases.jsonl"), "a") as out:
        for case in range(first, first + count):
            out.write(json.dumps(make(framework, case, folder)) + "\n")
            out.flush()
