/** Feedback + champion -> challenger, and the gate between them. */
export { feedbackSet } from './feedback-set.ts';
export { readRecipe } from './recipe.ts';
export { retrain } from './retrain.ts';
