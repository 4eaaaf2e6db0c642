/** How a model is converted: what the settings, the resource and its provider hand on, each a text. */
export const conversionArgs = ['method', 'prune', 'budget', 'labels', 'calibration', 'custom'] as const;

/** Those of them that are files. */
export const conversionFiles = ['labels', 'calibration', 'custom'] as const;
