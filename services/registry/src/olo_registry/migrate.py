"""`python -m olo_registry.migrate`: brings the catalogue's tables to this release, and ends."""

from __future__ import annotations

from olo_common.sql_migrate import migrate
from olo_registry.adapters.database import registry_database
from olo_registry.settings import RegistrySettings


def main() -> None:
    """The console script."""
    migrate("olo-registry", RegistrySettings, lambda settings: registry_database(settings.database_url))


if __name__ == "__main__":
    main()
