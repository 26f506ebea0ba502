"""The configuration file: strict, typed, all faults at once. Needs pydantic and PyYAML alone."""

from pipeline.config.config import Config, load
from pipeline.config.data import DataSection
from pipeline.config.faults import Fault, SectionError, nearest
from pipeline.config.gate import GateSection
from pipeline.config.sections import ModelSection, RuntimeSection
from pipeline.config.splits import SplitRange, Splits
from pipeline.config.variants import Step

__all__ = [
    "Config",
    "DataSection",
    "Fault",
    "GateSection",
    "ModelSection",
    "RuntimeSection",
    "SectionError",
    "SplitRange",
    "Splits",
    "Step",
    "load",
    "nearest",
]
