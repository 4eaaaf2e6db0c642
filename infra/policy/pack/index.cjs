// Pulumi starts packs with ts-node, which checks types and knows no ESM: an import() goes to tsx, as in the program itself.
// @pulumi/policy reads the pack's version from the package.json of the current folder, which is the program's.
process.chdir(__dirname);
import('./pack.ts').catch((error) => {
  console.error(error);
  process.exit(1);
});
