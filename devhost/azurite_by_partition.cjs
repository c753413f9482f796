// Azurite looks at every row of a table to answer any query, so that its time grows with the table. Loaded before it
// (node --require), this lets it look at the rows of a single partition where the query names one; which of them it
// answers with is decided by Azurite's own code, as ever.
const { default: Store } = require("azurite/dist/src/table/persistence/LokiTableMetadataStore.js");

const ONE_PARTITION = /^\(*PartitionKey eq '((?:[^']|'')*)'\)*(?: and |$)/;
const { queryTableEntities } = Store.prototype;

Store.prototype.queryTableEntities = function (context, account, table, options, ...place) {
  const filter = options.filter ?? "";
  const named = filter.includes(" or ") || filter.includes("not ") ? null : ONE_PARTITION.exec(filter);
  if (!named) return queryTableEntities.call(this, context, account, table, options, ...place);
  const narrowed = Object.create(this);
  narrowed.getEntityCollection = (...which) => {
    const rows = this.getEntityCollection(...which);
    return { chain: () => rows.chain().find({ PartitionKey: named[1].replaceAll("''", "'") }) };
  };
  return queryTableEntities.call(narrowed, context, account, table, options, ...place);
};
