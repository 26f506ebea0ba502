"""What all settings have in common: immutable, strictly typed, unknown keys refused."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Settings that check themselves when made.

    Types are strict: `"3"` is not an integer and `yes` is not a boolean. An unknown key is an error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    def changed(self, *names: str) -> list[str]:
        """Those of the named fields whose value is not the default, in the order given."""
        fields = type(self).model_fields
        return [name for name in names if getattr(self, name) != fields[name].get_default(call_default_factory=True)]
