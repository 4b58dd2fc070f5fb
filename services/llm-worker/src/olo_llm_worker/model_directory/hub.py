"""Fetches the files of a model from a Hugging Face hub, in the extra `hub`."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from olo_llm_worker.errors import ModelDirectoryError

CHECKPOINT_FILES: Final = ("*.json", "*.safetensors", "*.jinja", "README.md")
"""What a conversion reads. Pickles and code are not among it."""
MODEL_DIRECTORY_FILES: Final = ("*.json", "model.bin", "*.jinja", "README.md")
"""What a model that is in the format of CTranslate2 already has."""

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"
_ID: Final = re.compile(f"{_NAME}/{_NAME}")
_REVISION: Final = re.compile(f"{_NAME}(?:/{_NAME})*")


def is_hub_id(source: str) -> bool:
    """Whether it is spelt as a repository of a hub is: `owner/name`."""
    return len(source) <= 200 and _ID.fullmatch(source) is not None


@contextmanager
def fetched(
    repository: str, files: Sequence[str], *, revision: str | None = None, endpoint: str | None = None
) -> Iterator[tuple[Path, str]]:
    """Files of a repository in a directory that is gone afterwards, and `repository@commit`, where they come from.

    Args:
        repository: `owner/name`.
        files: Patterns of the files to fetch.
        revision: Branch, tag or commit; None: the main branch.
        endpoint: URL of the hub; None: the public one, or what HF_ENDPOINT says.

    Raises:
        ModelDirectoryError: The name is wrong, there is no such repository, or no hub is in reach.
    """
    if not is_hub_id(repository):
        raise ModelDirectoryError(f"{repository!r} is neither a directory nor a repository of a hub (owner/name)")
    if revision is not None and not _REVISION.fullmatch(revision):
        raise ModelDirectoryError(f"{revision!r} is no revision")
    with tempfile.TemporaryDirectory(prefix="olo-fetch-") as folder:
        commit = _fetch(repository, files, Path(folder), revision, endpoint)
        yield Path(folder), f"{repository}@{commit}"


def _fetch(repository: str, files: Sequence[str], folder: Path, revision: str | None, endpoint: str | None) -> str:
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        raise ModelDirectoryError(
            f"{repository} is no directory here, and nothing fetches it: install olo-llm-worker[hub]"
        ) from None
    try:
        commit = huggingface_hub.HfApi(endpoint=endpoint).model_info(repository, revision=revision, timeout=15).sha
        huggingface_hub.snapshot_download(
            repository, revision=commit, allow_patterns=list(files), local_dir=folder, endpoint=endpoint
        )
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.GatedRepoError):
        raise ModelDirectoryError(
            f"the hub gives nothing for {repository}: there is no such repository or revision, or it needs a token"
        ) from None
    except OSError as error:
        why = error.strerror or "no hub is in reach"
        raise ModelDirectoryError(f"{repository} is no directory here, and it cannot be fetched: {why}") from error
    except Exception as error:
        # The library passes on whatever its HTTP client raises.
        raise ModelDirectoryError(
            f"{repository} is no directory here, and it cannot be fetched: no hub is in reach ({type(error).__name__})"
        ) from error
    return str(commit)
