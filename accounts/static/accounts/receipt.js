// The receipt of an erasure: what was deleted, what stays without a name, what is kept and why.

const HEADINGS = { deleted: "Deleted", anonymised: "Kept without your name", kept: "Kept" };

// The nodes that show it. `receipt` is the server's answer, whole: it is what can be kept and shown again.
export function receiptOf(receipt) {
  const lists = Object.entries(HEADINGS).flatMap(([treatment, heading]) => {
    const places = receipt.places.filter((place) => place.treatment === treatment);
    const found = places.filter((place) => place.count !== 0);
    const none = places.filter((place) => place.count === 0);
    const rest = made("details", {}, made("summary", {}, `Nothing was found in ${none.length === 1 ? "one other place" : `${none.length} other places`}`), listOf(none));
    return places.length ? [made("h2", {}, heading), listOf(found), ...(none.length ? [rest] : [])] : [];
  });
  const file = new Blob([`${JSON.stringify(receipt, null, 2)}\n`], { type: "application/json" });
  const save = made("a", { className: "secondary", href: URL.createObjectURL(file), download: `eloquent-erasure-${receipt.id}.json` }, "Download the receipt");
  return [...lists, save];
}

function listOf(places) {
  return made("ul", { className: "receipt" }, ...places.map(lineOf));
}

function lineOf({ what, count, treatment, because, kept_for: until }) {
  const name = made("span", {}, what.charAt(0).toUpperCase() + what.slice(1));
  const many = made("span", { className: "receipt-count" }, count ?? "");
  const why = treatment === "deleted" ? [] : [made("p", { className: "hint" }, because, until && ` Kept: ${until}.`)];
  return made("li", {}, made("p", {}, name, " ", many), ...why);
}

function made(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}
