// Reads queries with Microsoft's own parser of the Kusto language and tells, as JSON, what each of them says.
//
// Standard input: {"tables": {"AppTraces": {"Message": "string", ...}}, "queries": {"<name>": "<text>"}}
// Standard output: {"<name>": {"diagnostics": [...], "tables": [...], "events": [...], "fields": [...], ...}}
//
// A query reads an event from `body`, the parsed line, and its name from `event`: both are the queries' own convention,
// on which `events` (what `event` is compared with) and `fields` (`body.<field>` and the conversion around it) stand.

const fs = require("fs");
const path = require("path");

const package_ = path.join(__dirname, "..", "..", "node_modules", "@kusto", "language-service-next");
require(path.join(package_, "bridge.min.js"));
require(path.join(package_, "Kusto.Language.Bridge.min.js"));

const { KustoCode, GlobalState, Symbols, Syntax } = Kusto.Language;
const { SyntaxKind } = Syntax;
const COMPARISONS = [SyntaxKind.EqualExpression, SyntaxKind.NotEqualExpression];
const MEMBERSHIPS = [SyntaxKind.InExpression, SyntaxKind.NotInExpression];

function globalsWith(tables) {
  const symbols = Object.entries(tables).map(([name, columns]) => {
    const schema = Object.entries(columns).map(([column, type]) => `${column}: ${type}`);
    return new Symbols.TableSymbol.$ctor7(name, `(${schema.join(", ")})`, null);
  });
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", symbols));
}

function descendants(node, kinds) {
  const found = [];
  Syntax.SyntaxElement.WalkNodes(node, (one) => {
    if (kinds.includes(one.Kind)) found.push(one);
  });
  return found;
}

const isNamed = (node, name) => node.Kind === SyntaxKind.NameReference && node.SimpleName === name;
const literalsIn = (node) => descendants(node, [SyntaxKind.StringLiteralExpression]).map((one) => one.LiteralValue);
const unique = (values) => [...new Set(values)].sort();

/** What a column is compared with by ==, != and in. */
function comparedWith(root, column) {
  const comparisons = descendants(root, [...COMPARISONS, ...MEMBERSHIPS]).filter((one) => isNamed(one.Left, column));
  return unique(comparisons.flatMap((one) => literalsIn(one.Right)));
}

/** The function an expression is handed to as an argument; "" where it is none. */
function givenTo(expression) {
  let around = expression.Parent;
  while ([SyntaxKind.SeparatedElement, SyntaxKind.List, SyntaxKind.ExpressionList].includes(around.Kind)) {
    around = around.Parent;
  }
  return around.Kind === SyntaxKind.FunctionCallExpression ? around.Name.SimpleName : "";
}

/** Fields of `body`, each with the conversion around it. */
function fieldsOf(root) {
  const paths = descendants(root, [SyntaxKind.PathExpression]).filter((one) => isNamed(one.Expression, "body"));
  return paths.map((one) => ({ name: one.Selector.SimpleName, conversion: givenTo(one) }));
}

/** What this check cannot see through: body["stream"], a copy of `body`, and `event` compared by a part of its name. */
function uncheckedIn(root) {
  const references = descendants(root, [SyntaxKind.NameReference]);
  const bodies = references.filter((one) => isNamed(one, "body") && one.Parent.Kind !== SyntaxKind.PathExpression);
  const events = references.filter((one) => isNamed(one, "event") && one.Parent instanceof Syntax.BinaryExpression);
  const loose = events.filter((one) => !COMPARISONS.includes(one.Parent.Kind));
  return [...bodies, ...loose].map((one) => one.Parent.toString().trim());
}

function tablesOf(root, globals) {
  const symbols = descendants(root, [SyntaxKind.NameReference]).map((one) => one.ReferencedSymbol);
  const tables = symbols.filter((one) => one instanceof Symbols.TableSymbol && globals.IsDatabaseTable(one));
  return unique(tables.map((one) => one.Name));
}

function columnsOf(code) {
  const columns = code.ResultType && code.ResultType.Columns;
  return columns ? Object.fromEntries(Bridge.toArray(columns).map((one) => [one.Name, one.Type.Name])) : {};
}

function inspect(text, globals) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  return {
    diagnostics: Bridge.toArray(code.GetDiagnostics()).map((one) => `${one.Severity} ${one.Code}: ${one.Message}`),
    tables: tablesOf(code.Syntax, globals),
    events: comparedWith(code.Syntax, "event"),
    functions: comparedWith(code.Syntax, "Name"),
    fields: fieldsOf(code.Syntax),
    unchecked: uncheckedIn(code.Syntax),
    columns: columnsOf(code),
  };
}

const { tables, queries } = JSON.parse(fs.readFileSync(0, "utf8"));
const globals = globalsWith(tables);
const told = Object.fromEntries(Object.entries(queries).map(([name, text]) => [name, inspect(text, globals)]));
process.stdout.write(JSON.stringify(told));
