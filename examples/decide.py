"""May this call be recorded? The library alone answers: python examples/decide.py"""

from datetime import UTC, datetime

from askfirst import Mode, Party, decide
from askfirst.explain import notice

decision = decide([Party.agent("NO"), Party.contact("+16285550142")], on=datetime.now(UTC).date())
print(decision.mode.word, "because of", ", ".join(decision.governing))
for reason in decision.reasons:
    print(f"- {reason.rule}: {reason.why}")
if decision.mode is not Mode.FORBID:
    print("Say:", notice(decision).text)
