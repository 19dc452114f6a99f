// juice as a peer of `compose.py`: the first line that comes in holds the document and its style sheet, and for each
// line after it the document is inlined once and the length of the outcome written.

"use strict";

const juice = require("juice");

if (process.argv.includes("--there")) process.exit(0);

let job = null;
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  if (job === null) job = JSON.parse(line);
  else console.log(juice.inlineContent(job.html, job.css, { applyStyleTags: false }).length);
});
