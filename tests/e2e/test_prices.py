"""watchllm prices, as an operator types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
STORES = HERE.parent / "lib" / "with_stores.sh"
PROGRAM = str(Path(os.environ.get("top_builddir", ".")).resolve() / "watchllm")
SEED = SOURCE / "sql" / "seed" / "model_prices.csv"
LITELLM = HERE.parent / "data" / "litellm_prices.json"


def sql(text: str) -> str:
    r = subprocess.run(["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-d", os.environ["WL_SUPER_URL"],
                        "-c", text], capture_output=True, text=True, timeout=60, check=True)
    return r.stdout.strip()


class Prices(unittest.TestCase):
    def setUp(self) -> None:
        sql("TRUNCATE watchllm.price")

    def prices(self, *args: str | Path, status: int = 0,
               stdin: str = "") -> subprocess.CompletedProcess:
        r = subprocess.run([PROGRAM, "--config=/dev/null", "prices", *map(str, args)],
                           capture_output=True, text=True, timeout=60, input=stdin, check=False)
        self.assertEqual(r.returncode, status, r.stdout + r.stderr)
        return r

    def json(self, *args: str | Path, **kw):
        return json.loads(self.prices(*args, "--json", **kw).stdout)

    def counts(self, *args: str | Path, **kw) -> tuple[int, int, int, int]:
        r = self.json("import", *args, **kw)
        return r["added"], r["changed"], r["unchanged"], r["skipped"]

    def test_seed_then_litellm(self) -> None:
        self.assertEqual(self.counts(SEED), (253, 0, 0, 0))
        self.assertEqual(sql("SELECT count(DISTINCT effective_from), min(effective_from)"
                             " FROM watchllm.price"), "1|1970-01-01 00:00:00+00")
        self.assertEqual(self.counts(SEED), (0, 0, 253, 0))
        r = self.json("import", LITELLM)
        self.assertEqual(r["added"] + r["changed"] + r["unchanged"], 43)
        self.assertEqual(r["skipped_because"], {"example": 1, "invalid": 0, "no_token_price": 2,
                                                "other_provider": 0, "twice": 1})
        self.assertEqual(len(r["changes"]), r["changed"])
        self.assertGreater(r["changed"], 0)
        self.assertEqual(self.counts(LITELLM), (0, 0, 43, 4))

    def test_litellm_first(self) -> None:
        self.assertEqual(self.counts(LITELLM), (43, 0, 0, 4))
        self.assertEqual(sql("SELECT max(effective_from) FROM watchllm.price"),
                         "1970-01-01 00:00:00+00")
        self.assertEqual(sql("SELECT input_nano FROM watchllm.price WHERE provider = 'groq'"
                             " AND model = 'llama-3.3-70b-versatile'"), "590000000")

    def test_dry_run(self) -> None:
        r = self.prices("import", SEED, "--dry-run")
        self.assertIn("Nothing was written.", r.stdout)
        self.assertEqual(sql("SELECT count(*) FROM watchllm.price"), "0")

    def test_provider_and_time(self) -> None:
        self.assertEqual(self.counts(SEED, "--provider", "xai", "--effective-from",
                                     "2026-06-01T00:00:00Z"), (6, 0, 0, 247))
        self.prices("show", "grok-4.5", "--at", "2026-05-31T23:59:59Z", status=1)
        (p,) = self.json("show", "grok-4.5", "--at", "2026-06-01T00:00:00Z")
        self.assertEqual(p["effective_from"], "2026-06-01T00:00:00.000Z")

    def test_a_change(self) -> None:
        first = "provider,model,input_usd_per_mtok,output_usd_per_mtok\np,m,0.15,0.6\n"
        self.assertEqual(self.counts("-", stdin=first), (1, 0, 0, 0))
        self.assertEqual(self.counts("-", "--effective-from=2026-06-01T00:00:00Z",
                                     stdin=first.replace("0.15", "0.1")), (0, 1, 0, 0))
        for at, price in (("2026-05-31T23:59:59Z", 0.15), ("2026-06-01T00:00:00Z", 0.1)):
            (p,) = self.json("show", "m", "--at", at)
            self.assertEqual((p["input_usd_per_mtok"], p["output_usd_per_mtok"]), (price, 0.6))
        # the same moment once more, with other figures
        r = self.prices("import", "-", "--effective-from=2026-06-01T00:00:00Z", status=1,
                        stdin=first.replace("0.15", "0.2"))
        self.assertIn("p m from 2026-06-01", r.stderr)
        self.assertEqual(r.stdout, "")

    def test_show_and_list(self) -> None:
        self.prices("import", SEED)
        (p,) = self.json("show", "gpt-4o", "--provider", "openai")
        self.assertEqual(p["input_usd_per_mtok"], 2.5)
        self.assertEqual(p["cache_write_usd_per_mtok"], None)
        self.assertEqual(p["max_input_tokens"], 128000)
        text = self.prices("show", "gpt-4o").stdout
        self.assertRegex(text, r"(?m)^input usd per mtok +2\.5$")
        self.assertEqual(len(self.json("list")), 253)
        self.assertEqual({p["provider"] for p in self.json("list", "--provider", "xai")}, {"xai"})
        self.assertRegex(self.prices("list").stdout, r"(?m)^openai +gpt-4o +chat +2\.5 +10 ")

    def test_faults(self) -> None:
        for text, want in (("", "empty"), ("a,b\n", "line 1, a: no such column"),
                           ("{", "not a JSON document"),
                           ("provider,model,input_usd_per_mtok\np,m,x\n", "line 2, input")):
            r = self.prices("import", "-", status=1, stdin=text)
            self.assertIn(want, r.stderr)
        with tempfile.TemporaryDirectory() as d:
            self.assertIn("No such file", self.prices("import", f"{d}/none", status=1).stderr)
            self.prices("import", d, status=1)
        self.prices("import", status=2)
        self.prices("import", SEED, "--effective-from", "yesterday", status=2)
        self.prices("import", SEED, "--provider", "No Such", status=1)
        self.prices("show", "m", "--at", "2026-13-01T00:00:00Z", status=2)
        self.assertIn("no price of \"nope\"", self.prices("show", "nope", status=1).stderr)
        self.assertEqual(sql("SELECT count(*) FROM watchllm.price"), "0")


if __name__ == "__main__":
    if "WL_STORES_DIR" not in os.environ:
        os.execv(STORES, [str(STORES), sys.executable, "-W", "ignore", *sys.argv])
    unittest.main()
