#!/usr/bin/env python3
# Scenario: what Prometheus reads is as it wants it, and alerts, dashboard and runbook speak of what there is.
# SPDX-License-Identifier: MIT
import re
from lib import *

RULES = os.path.join(SOURCE, "packaging/prometheus/rouse.rules.yml")
DASHBOARD = os.path.join(SOURCE, "packaging/grafana/rouse.json")


def busy(rouse):
    """A daemon that has done something of each kind."""
    rouse.agent("ok", says({"type": "usage", "input_tokens": 5, "output_tokens": 2, "cost_usd": 0.01}, change(), RESULT), targets="crm")
    rouse.agent("bad", "exit 64\n")
    rouse.crm()
    rouse.webhook("push", agent="ok", stale_after="1h")
    rouse.webhook("broken", agent="bad")
    rouse.start()
    rouse.wait_run(rouse.deliver("push").expect(202).run_id, "succeeded")
    rouse.wait_run(rouse.deliver("broken").expect(202).run_id, "failed")
    return rouse.api("GET", "/metrics").expect(200).body.decode()


def names(text):
    """Names of metrics in a text, of histograms without their endings."""
    return {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\brouse_[a-z_]+[a-z]", text)}


# Of the contract, with their labels. A gauge may have none yet.
CONTRACT = {"events_total": "trigger outcome", "runs_total": "agent status reason", "run_duration_seconds": "agent", "event_to_start_seconds": "",
            "queue_depth": "agent", "oldest_queued_seconds": "", "in_flight": "agent", "dlq_size": "", "changes": "status target", "tokens_total": "agent kind",
            "cost_usd_total": "agent tenant", "breaker_open": "agent", "trigger_lag_seconds": "trigger", "cron_lateness_seconds": "",
            "store_commit_seconds": "", "store_commit_batch": "", "sse_clients": ""}


@scenario("every name and label of the contract is printed, and the ends of runs say why")
def _(rouse):
    text = busy(rouse)
    for name, labels in CONTRACT.items():
        check(f"# TYPE rouse_{name} " in text, f"rouse_{name} has a type")
        check(f"# HELP rouse_{name} " in text, f"rouse_{name} says what it is")
        lines = re.findall(rf"^rouse_{name}(?:_count)?(?:{{(.*)}})? [0-9.+e-]+$", text, re.M)
        check(lines or name == "cron_lateness_seconds", f"rouse_{name} has a value")
        for line in lines:
            expect(re.findall('([a-z]+)="', line), labels.split(), f"labels of rouse_{name}")
    check('rouse_runs_total{agent="ok",status="succeeded",reason=""} 1\n' in text, "the run that went well")
    check('rouse_runs_total{agent="bad",status="failed",reason="permanent"} 1\n' in text, "the run that failed, and why")


@scenario("runs that end without having run are counted, too")
def _(rouse):
    rouse.agent("never", "exit 0\n")
    rouse.webhook("push", agent="never")
    rouse.start()
    rouse.cli("pause", "--agent", "never")
    rouse.cli("run", "cancel", rouse.deliver("push").expect(202).run_id)
    wait("it is counted", lambda: 'rouse_runs_total{agent="never",status="cancelled",reason=""} 1\n' in rouse.api("GET", "/metrics").body.decode())


@scenario("tenants that anybody may invent do not make series without end")
def _(rouse):
    rouse.agent("ok", says({"type": "usage", "cost_usd": 0.01}, RESULT), concurrency=16)
    rouse.webhook("push", agent="ok", tenant=".data.tenant")
    rouse.start()
    evil = ['a"} 1\nrouse_forged{x="', "b\\", "c\nd", "\u202e", "\u00e4"]
    for tenant in evil:
        rouse.wait_run(rouse.deliver("push", {"tenant": tenant}).expect(202).run_id, "succeeded", 60)
    text = rouse.api("GET", "/metrics").body.decode()
    check("\nrouse_forged" not in text, "no line is forged")
    expect(len(re.findall("^rouse_cost_usd_total{", text, re.M)), len(evil), "a series a tenant")
    if shutil.which("promtool"):
        said = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, timeout=60)
        expect((said.returncode, said.stdout + said.stderr), (0, ""), "promtool check metrics")


@scenario("promtool has nothing to say against /metrics")
def _(rouse):
    needs_program("promtool")
    said = subprocess.run(["promtool", "check", "metrics"], input=busy(rouse), text=True, capture_output=True, timeout=60)
    expect((said.returncode, said.stdout + said.stderr), (0, ""), "promtool check metrics")


@scenario("alert rules and dashboard name metrics that there are, and each alert stands in the runbook")
def _(rouse):
    there = set(re.findall("^# TYPE (rouse_[a-z_]+)", busy(rouse), re.M))
    with open(RULES) as f:
        rules = f.read()
    with open(DASHBOARD) as f:
        board = json.load(f)
    used = names(" ".join(re.findall("expr: (.*)", rules)))
    shown = names(" ".join(t["expr"] for panel in board["panels"] for t in panel["targets"]))
    check(len(used) > 5 and len(shown) > 10, "there is something to compare")
    expect(used - there, set(), "metrics in the rules that are not there")
    expect(shown - there, set(), "metrics in the dashboard that are not there")
    with open(os.path.join(SOURCE, "docs/runbook.md")) as f:
        runbook = f.read()
    for alert in re.findall("alert: (.*)", rules):
        check(f"### {alert}\n" in runbook, f"{alert} stands in the runbook")


@scenario("the alerts fire when they should, and only then")
def _(rouse):
    needs_program("promtool")
    said = subprocess.run(["promtool", "check", "rules", RULES], text=True, capture_output=True, timeout=60)
    expect(said.returncode, 0, f"promtool check rules: {said.stdout}{said.stderr}")
    shutil.copy(RULES, rouse.dir)

    def case(series, values, at, alerts):
        return {"interval": "1m", "input_series": [{"series": series, "values": values}],
                "alert_rule_test": [{"eval_time": at, "alertname": name, "exp_alerts": [{"exp_labels": labels}] if labels else []}
                                    for name, labels in alerts]}

    quiet = [("RouseDown", None), ("RouseStoreFull", None)]
    tests = {"rule_files": ["rouse.rules.yml"], "tests": [
        case('up{job="rouse"}', "1+0x10", "10m", quiet),
        case('up{job="rouse"}', "0+0x10", "1m", [("RouseDown", None)]),
        case('rouse_breaker_open{agent="a"}', "0 1 1 1 0 1 1 1", "7m", [("RouseBreakerOpen", None)]),
        case('rouse_store_full', "0+0x10", "10m", quiet),
    ]}
    with open(os.path.join(rouse.dir, "tests.yml"), "w") as f:
        json.dump(tests, f)
    said = subprocess.run(["promtool", "test", "rules", os.path.join(rouse.dir, "tests.yml")], text=True, capture_output=True, timeout=60)
    expect(said.returncode, 0, f"promtool test rules: {said.stdout}{said.stderr}")
    # Annotations are part of what promtool compares: that an alert fires is seen by what a quiet expectation then says.
    for series, values, alert in (('up{job="rouse"}', "0+0x10", "RouseDown"), ("rouse_store_full", "1+0x10", "RouseStoreFull"),
                                  ('rouse_breaker_open{agent="a"}', "1+0x10", "RouseBreakerOpen"),
                                  ('rouse_runs_total{agent="a",status="failed"}', "0+2x15", "RouseDeadLetters"),
                                  ('rouse_triggers{health="failing"}', "1+0x10", "RouseSourceFailing")):
        with open(os.path.join(rouse.dir, "fires.yml"), "w") as f:
            json.dump({"rule_files": ["rouse.rules.yml"], "tests": [case(series, values, "10m", [(alert, None)])]}, f)
        said = subprocess.run(["promtool", "test", "rules", os.path.join(rouse.dir, "fires.yml")], text=True, capture_output=True, timeout=60)
        check(said.returncode != 0 and alert in said.stdout + said.stderr, f"{alert} fires")


main()
