"""Config -> data sets, without Paddle: for the commands that only read data."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from paddleseg_lite import datasets, transforms  # noqa: F401  (they register)
from paddleseg_lite.config.core import Config
from paddleseg_lite.config.facts import dataset_info, declared_facts
from paddleseg_lite.config.imports import import_components
from paddleseg_lite.config.signature import BoundComponent, bind, built
from paddleseg_lite.datasets.info import DatasetInfo
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import BATCH_TRANSFORMS, DATASETS, TRANSFORMS
from paddleseg_lite.transforms import Compose

MODES = {"train_dataset": "train", "val_dataset": "val"}  # section -> mode


class DataPlan:
    """The data sets of a config: names and arguments are checked, `imports` imported, no file opened.

    Args:
        config: a section that it lacks is missed when it is asked for.
        tasks: what the data sets may be for, see `LabelledImages.task`.

    Attributes:
        config: as given.
        sections: those of "train_dataset" and "val_dataset" that there are.
        facts: what they declare, and where.

    Raises:
        UserError: a name or an argument is unknown, a required argument is missing, the data sets contradict
            each other, or they are for another task.
    """

    def __init__(self, config: Config, tasks: Collection[str] = ("segmentation",)) -> None:
        import_components(config)
        self.config = config
        self.sections = tuple(section for section in MODES if config.has(section))
        self._components = {section: _bind_dataset(config, section) for section in self.sections}
        for bound in self._components.values():
            if getattr(bound.component, "task", "segmentation") not in tasks:
                raise UserError(
                    f"{bound.where}: {bound.component.__name__} has labels of whole images, which only the "
                    "commands train and pretrain take; give a config for segmentation"
                )
        self.facts = declared_facts(config, self._components)

    def dataset(self, section: str, **others: Any) -> Any:
        """Build the data set under `section`, with its transforms; `others` take the place of its arguments.

        Raises:
            UserError: it is not there, or its data are not.
        """
        return self._component(section)(**others)

    def transforms(self, section: str) -> Compose:
        """Build the transforms under `section` without the data set.

        Raises:
            UserError: the data set is not there.
        """
        return Compose(built(self._component(section).arguments.get("transforms") or []))

    def info(self, section: str) -> DatasetInfo:
        """Return what the data set under `section` declares; no data needs to be present.

        Raises:
            UserError: it is not there, or does not say how many classes it has.
        """
        return dataset_info(self.config, section, self._component(section))

    def separator(self, section: str) -> str:
        """Return what stands between the names in a line of the data set's lists.

        Raises:
            UserError: the data set is not there.
        """
        value = self._component(section).arguments.get("separator")
        return value if isinstance(value, str) and value else " "

    def _component(self, key: str) -> BoundComponent:
        self.config.section(key)  # raises if it is missing
        return self._components[key]


def _bind_dataset(config: Config, section: str) -> BoundComponent:
    spec = config.section(section)
    for key, registry in (("transforms", TRANSFORMS), ("batch_transforms", BATCH_TRANSFORMS)):
        if spec.get(key) is not None:
            spec[key] = [
                bind(config, registry, f"{section}.{key}.{index}", transform)
                for index, transform in enumerate(spec[key])
            ]
    return bind(config, DATASETS, section, spec, {"mode": MODES[section]})
