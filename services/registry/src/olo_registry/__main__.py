"""Runs the registry until it is told to stop."""

from olo_common.uncollected import uncollected

with uncollected():
    from olo_common.lifecycle import run_service
    from olo_registry.app import running
    from olo_registry.settings import RegistrySettings


def main() -> None:
    """The console script."""
    run_service("registry", RegistrySettings, running)


if __name__ == "__main__":
    main()
