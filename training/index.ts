/** Feedback + champion -> challenger, and the gate between them. */
export { readFeedbackFile } from './feedback-file.ts';
export { readRecipe } from './recipe.ts';
export { retrain } from './retrain.ts';
