"""The gateway process."""

from __future__ import annotations

from olo_common.uncollected import uncollected

with uncollected():
    from olo_common.lifecycle import run_service
    from olo_gateway.app import running
    from olo_gateway.settings import GatewaySettings


def main() -> None:
    """Runs the gateway until it is told to stop."""
    run_service("gateway", GatewaySettings, running)


if __name__ == "__main__":
    main()
