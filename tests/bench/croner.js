// How many next-fire computations a second npm `croner` does: what bench_cron.c does, for comparison.
// croner.js SECONDS. One JSON line for each zone.
// SPDX-License-Identifier: MIT
"use strict";
const path = require("path");
const { Cron } = require(path.join(__dirname, "../npm/node_modules/croner"));

const exprs = ["* * * * *", "*/5 * * * *", "30 2 * * *", "0 9 * * 1-5", "0 0 1 * *", "15,45 8-18/2 * * MON-FRI", "0 0 13 * 5", "0 0 29 2 *"];
const seconds = Number(process.argv[2] || 0.2);

// Of this process: what a busy machine does not blur.
function cpu() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function rate(expr, timezone) {
  const cron = new Cron(expr, { timezone, paused: true });
  const first = new Date("2024-01-01T00:00:00Z"), end = new Date("2090-01-01T00:00:00Z");
  let at = first, n = 0, took;
  for (let i = 0; i < 100; i++) cron.nextRun(first); // let it be compiled
  const began = cpu();
  do {
    for (let i = 0; i < 64; i++) {
      at = cron.nextRun(at);
      if (!at || at >= end) at = first;
    }
    n += 64;
    took = cpu() - began;
  } while (took < seconds);
  return Math.round(n / took);
}

for (const zone of ["UTC", "America/New_York"]) console.log(JSON.stringify({ zone, next: exprs.map((e) => rate(e, zone)) }));
