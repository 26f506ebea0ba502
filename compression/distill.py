"""Knowledge distillation into a new network (Hinton et al. 2015, arXiv:1503.02531)."""

import tf_keras as keras

from compression import keras_models
from compression.data import TrainingData
from compression.determinism import seed_everything
from compression.errors import CompressionError
from compression.settings import DistillSettings
from compression.training import OnEpoch, finetune


def distill(
    student: keras.Model,
    data: TrainingData,
    settings: DistillSettings,
    *,
    teacher: keras.Model | None,
    on_epoch: OnEpoch | None = None,
) -> keras.Model:
    """Trains a student from new weights on the labels and on the teacher's answers.

    Args:
        student: The network, Functional or Sequential; its weights do not matter, and it is not changed.
        data: `train` is fitted; `validation` is only reported.
        settings: How long, how soft the answers are and how much they count.
        teacher: The baseline; its inputs must be among the features of `data`, its output shaped as the student's.
        on_epoch: Called after every epoch.

    Returns:
        The trained student, not compiled.

    Raises:
        CompressionError: No teacher, shapes that differ, or features that `data` lacks.
    """
    _check_features(student, data)
    seed_everything(data.seed)
    # Cloning draws new weights.
    fresh = keras.models.clone_model(student)
    finetune(fresh, data, settings, teacher=teacher, on_epoch=on_epoch)
    return keras_models.copy(fresh)


def _check_features(student: keras.Model, data: TrainingData) -> None:
    known, _ = data.train.take_arrays(1)
    missing = [name for name in student.input_names if name not in known]
    if missing:
        raise CompressionError(
            f"a student must read features that the baseline reads ({', '.join(known)}), got {', '.join(missing)}; "
            "rename its inputs"
        )
