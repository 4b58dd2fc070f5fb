"""What the registry refuses.

OloError
+-- ModelNotFound           NOT_FOUND            model_not_found
+-- AliasNotFound           NOT_FOUND            alias_not_found
+-- InstanceNotFound        NOT_FOUND            instance_not_found
+-- RegistrationRejected    FAILED_PRECONDITION  registration_rejected
+-- RegistryFull            RESOURCE_EXHAUSTED   registry_full
+-- RecordNotFound          NOT_FOUND            record_not_found
+-- SourceDrifted           FAILED_PRECONDITION  source_drifted
+-- Unavailable             UNAVAILABLE          dependency_unavailable (of olo_common: the database is away)
"""

from __future__ import annotations

from olo_common.errors import ErrorCode, OloError


class ModelNotFound(OloError):
    """The catalogue has no such model."""

    code = ErrorCode.NOT_FOUND
    reason = "model_not_found"


class AliasNotFound(OloError):
    """No alias has this name."""

    code = ErrorCode.NOT_FOUND
    reason = "alias_not_found"


class InstanceNotFound(OloError):
    """No live lease has this instance."""

    code = ErrorCode.NOT_FOUND
    reason = "instance_not_found"


class RegistrationRejected(OloError):
    """The instance contradicts what is known to be alive."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "registration_rejected"


class RegistryFull(OloError):
    """The registry holds as many instances as it may."""

    code = ErrorCode.RESOURCE_EXHAUSTED
    reason = "registry_full"


class RecordNotFound(OloError):
    """A source of benchmarks has no such record."""

    code = ErrorCode.NOT_FOUND
    reason = "record_not_found"


class SourceDrifted(OloError):
    """A source of benchmarks publishes in another shape than it did."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "source_drifted"
