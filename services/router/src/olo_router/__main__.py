"""Runs the router until it is told to stop."""

from olo_common.uncollected import uncollected

with uncollected():
    from olo_common.lifecycle import run_service
    from olo_router.app import running
    from olo_router.settings import RouterSettings


def main() -> None:
    """The console script."""
    run_service("router", RouterSettings, running)


if __name__ == "__main__":
    main()
