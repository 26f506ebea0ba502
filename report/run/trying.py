"""What to try: advice for variants that did not pass, where it is the same once for all."""

from report.advice import advise
from report.advice_case import Advice
from report.run.facts import Context, Facts

_AFTER_A_FAULT = (
    "Mend the cause that stands above, and run again: what was finished comes from the cache. The traceback is in "
    "the log of the run."
)
_WORTH_IT = ("blocked", "not_enough_data", "failed")


def context(facts: Facts) -> Context:
    """`advice`, each with the `names` of the variants that it is for, and a `hint` for a run that failed."""
    found: dict[Advice, list[str]] = {}
    for variant in facts.variants:
        for advice in advise(facts.summary, variant, facts.given) if variant["status"] in _WORTH_IT else ():
            found.setdefault(advice, []).append(variant["name"])
    hint = _AFTER_A_FAULT if facts.summary["status"] == "failed" else None
    if not found and hint is None:
        passed = all(variant["status"] == "passed" for variant in facts.variants)
        return {"missing": "every variant passed" if passed else "no rule knows the facts of this run"}
    return {
        "missing": None,
        "hint": hint,
        "advice": [{"names": names, **vars(advice)} for advice, names in found.items()],
    }
