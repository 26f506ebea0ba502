"""What to try: advice for variants that did not pass, where it is the same once for all."""

from report.advice import advise
from report.advice_case import Advice
from report.run.facts import Context, Facts

_WORTH_IT = ("blocked", "not_enough_data", "failed")


def context(facts: Facts) -> Context:
    """`advice`, each with the `names` of the variants that it is for."""
    found: dict[Advice, list[str]] = {}
    for variant in facts.variants:
        for advice in advise(facts.summary, variant, facts.given) if variant["status"] in _WORTH_IT else ():
            found.setdefault(advice, []).append(variant["name"])
    if not found:
        passed = all(variant["status"] == "passed" for variant in facts.variants)
        return {"missing": "every variant passed" if passed else "no rule knows the facts of this run"}
    return {"missing": None, "advice": [{"names": names, **vars(advice)} for advice, names in found.items()]}
