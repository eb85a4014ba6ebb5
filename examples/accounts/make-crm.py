#!/usr/bin/env python3
# Makes a CRM to practise on: accounts.db with COUNT accounts, and accounts.csv, the list to go through.
# SPDX-License-Identifier: MIT
#
#     make-crm.py FOLDER [COUNT [SEED]]
#
# The same seed makes the same accounts.
import csv
import os
import random
import sqlite3
import sys

COUNTRIES = {"DE": 30, "AT": 6, "CH": 8, "FR": 16, "US": 25, "JP": 10, "BR": 5}
WORDS = "Alder Birch Cedar Elm Fir Hazel Juniper Larch Maple Oak Pine Rowan Spruce Willow Yew".split()
KINDS = "Works Labs Foods Tools Media Energy Health Freight Textiles Glass".split()


def accounts(count, seed):
    """(id, name, country, employees, revenue in thousand dollars)"""
    dice = random.Random(seed)
    for n in range(1, count + 1):
        employees = int(dice.paretovariate(0.6)) % 90000 + 1
        yield (
            f"A{n:06}",
            f"{dice.choice(WORDS)} {dice.choice(KINDS)} {n}",
            dice.choices(list(COUNTRIES), list(COUNTRIES.values()))[0],
            employees,
            employees * dice.randrange(80, 320),
        )


def main(folder, count=5000, seed=1):
    rows = list(accounts(int(count), int(seed)))
    os.makedirs(folder, exist_ok=True)
    db = sqlite3.connect(os.path.join(folder, "accounts.db"))
    db.execute(
        "CREATE TABLE account (id TEXT PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL, employees INTEGER NOT NULL,"
        " revenue INTEGER NOT NULL, segment TEXT, region TEXT)"
    )
    db.executemany("INSERT INTO account (id, name, country, employees, revenue) VALUES (?, ?, ?, ?, ?)", rows)
    db.commit()
    with open(os.path.join(folder, "accounts.csv"), "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["id", "name", "country", "employees", "revenue"])
        out.writerows(rows)
    print(f"{folder}/accounts.db and {folder}/accounts.csv: {len(rows)} accounts")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit("usage: make-crm.py FOLDER [COUNT [SEED]]")
    main(*sys.argv[1:])
