"""Keys: how they are found, what their file may say, and how much they allow."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from olo_common.errors import InvalidField, OloError, StartupError
from olo_contracts.api_keys import KEY, TENANT, hash_of, new_key, renewed
from olo_contracts.identifiers import DEFAULT_TENANT
from olo_gateway.access.allowance import Allowance, Bucket, Limits
from olo_gateway.access.caller import NOBODY, OPEN, Caller, acting, caller, outside_calls, tenant
from olo_gateway.access.credentials import Need, permitted, presented
from olo_gateway.access.errors import Forbidden, KeyMissing, KeyRefused, KeysDisagree, RateLimited
from olo_gateway.access.keyring import Keyring
from olo_gateway.access.records import KeysFileInvalid, records_of
from olo_gateway.adapters.key_file import KeyFile
from olo_gateway.errors import ClientTooSlow, RunNotFound
from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.identity import own_run_id, run_id_of
from olo_gateway.runs.order import ChatOrder, Role, Turn
from olo_gateway.settings import GatewaySettings

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ID, SECRET = new_key()
ORDER = ChatOrder((Turn(Role.USER, "hello"),), model="org/model")


def entry(key: str = SECRET, key_id: str = ID, **more: Any) -> dict[str, Any]:
    return {"id": key_id, "hash": hash_of(key), "tenant": "acme", "roles": ["user"], **more}


def keyring(*entries: dict[str, Any]) -> Keyring:
    found = Keyring(lambda: NOW)
    found.replace(records_of({"keys": list(entries)}))
    return found


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_key_is_spelled_with_its_id_and_never_made_twice() -> None:
    assert KEY.fullmatch(SECRET)
    assert SECRET.startswith(f"olo-{ID}-")
    assert len({renewed(ID) for _ in range(50)}) == 50
    assert SECRET.split("-", 2)[2] not in hash_of(SECRET)


def test_a_key_that_holds_tells_whose_it_is() -> None:
    limits = {"requests_per_minute": 5, "priority": "batch"}
    found = keyring(entry(roles=["user", "admin"], models=["org/model"], limits=limits)).find(SECRET)
    assert (found.tenant, found.admin, found.key_id) == ("acme", True, ID)
    assert (found.models, found.highest) == (frozenset({"org/model"}), Priority.BATCH)
    assert found.allowance is not None
    assert found.allowance.limits == Limits(requests_per_minute=5)


@pytest.mark.parametrize(
    ("record", "given_key"),
    [
        (entry(), renewed(ID)),
        (entry(), new_key()[1]),
        (entry(), SECRET + "a"),
        (entry(), ""),
        (entry(), "' OR 1=1 --"),
        (entry(), f"olo-{ID}-"),
        (entry(), hash_of(SECRET)),
        (entry(expires=NOW), SECRET),
        (entry(revoked=NOW - timedelta(days=1)), SECRET),
    ],
    # Keys are random, and processes that share the tests must give them the same names.
    ids=["renewed", "of another", "longer", "none", "SQL", "cut", "its hash", "expired", "revoked"],
)
def test_every_key_that_does_not_hold_is_refused_in_the_same_words(record: dict[str, Any], given_key: str) -> None:
    with pytest.raises(KeyRefused) as refused:
        keyring(record).find(given_key)
    assert refused.value.message == "this API key is not valid"


def test_what_a_key_has_used_outlives_a_new_file_with_the_same_limits() -> None:
    one = entry(limits={"requests_per_minute": 2})
    keys = keyring(one)
    before = keys.find(SECRET).allowance
    keys.replace(records_of({"keys": [one, entry(key_id="other", key=renewed("other"))]}))
    assert keys.find(SECRET).allowance is before
    keys.replace(records_of({"keys": [entry(limits={"requests_per_minute": 3})]}))
    assert keys.find(SECRET).allowance is not before
    assert keys.size == 1


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ([], KeyMissing),
        ([("x-other", SECRET)], KeyMissing),
        ([("authorization", SECRET)], KeyRefused),
        ([("authorization", f"Basic {SECRET}")], KeyRefused),
        ([("authorization", f"Bearer {SECRET}"), ("x-api-key", renewed(ID))], KeysDisagree),
        ([("authorization", f"Bearer {SECRET}"), ("authorization", f"Bearer {renewed(ID)}")], KeysDisagree),
        ([("x-api-key", SECRET), ("authorization", "Bearer ")], KeysDisagree),
    ],
    ids=["none", "elsewhere", "no scheme", "another scheme", "two headers", "one header twice", "an empty one"],
)
def test_headers_that_name_no_single_key(headers: list[tuple[str, str]], error: type[OloError]) -> None:
    with pytest.raises(error):
        presented(headers)


def test_a_key_is_found_in_every_header_that_may_carry_it() -> None:
    for headers in (
        [("authorization", f"Bearer {SECRET}")],
        [("authorization", f"bearer  {SECRET} ")],
        [("x-api-key", SECRET)],
        [("x-api-key", SECRET), ("authorization", f"Bearer {SECRET}")],
    ):
        assert presented(headers) == SECRET


def test_roles_decide_what_a_key_is_for() -> None:
    admin_id, admin = new_key()
    keys = keyring(entry(), entry(admin, admin_id, roles=["admin"]))
    as_user, as_admin = [("x-api-key", SECRET)], [("x-api-key", admin)]
    assert permitted([], Need.NOTHING, keys) is NOBODY
    assert permitted(as_user, Need.USER, keys).key_id == ID
    assert permitted(as_admin, Need.USER, keys).key_id == admin_id
    assert permitted(as_admin, Need.ADMIN, keys).admin
    with pytest.raises(Forbidden):
        permitted(as_user, Need.ADMIN, keys)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (None, "a mapping"),
        ([], "a mapping"),
        ({}, "keys"),
        ({"keys": [entry() | {"hash": SECRET}]}, "keys.0.hash"),
        ({"keys": [entry() | {"tenant": "../a"}]}, "keys.0.tenant"),
        ({"keys": [entry() | {"tenant": "a..b"}]}, "keys.0.tenant"),
        ({"keys": [entry() | {"tenant": 7}]}, "keys.0.tenant"),
        ({"keys": [entry() | {"roles": []}]}, "keys.0.roles"),
        ({"keys": [entry() | {"roles": ["root"]}]}, "keys.0.roles.0"),
        ({"keys": [entry() | {"expires": "soon"}]}, "keys.0.expires"),
        ({"keys": [entry() | {"expires": "2030-01-01T00:00:00"}]}, "keys.0.expires"),
        ({"keys": [entry() | {"expire": None}]}, "keys.0.expire"),
        ({"keys": [entry() | {"limits": {"requests_per_minute": 0}}]}, "keys.0.limits.requests_per_minute"),
        ({"keys": [entry() | {"limits": {"requests_per_minute": "9"}}]}, "keys.0.limits.requests_per_minute"),
        ({"keys": [entry() | {"models": ["a b"]}]}, "keys.0.models.0"),
        ({"keys": [entry(), entry()]}, "keys.1.id"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_the_entry_without_its_values(document: Any, problem: str) -> None:
    with pytest.raises(KeysFileInvalid) as refused:
        records_of(document)
    assert problem in str(refused.value)
    assert SECRET not in str(refused.value)
    assert "root" not in str(refused.value).replace("roles", "")


@settings(max_examples=40, deadline=None)
@given(
    per_minute=st.integers(1, 1000),
    steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 300)), max_size=60),
)
def test_a_bucket_never_gives_more_than_its_minute_and_what_has_come_in_since(
    per_minute: int, steps: list[tuple[float, int]]
) -> None:
    clock = Clock()
    bucket, taken, began = Bucket(per_minute, clock), 0.0, clock.seconds
    for pause, amount in steps:
        clock.seconds += pause
        asked = min(amount, per_minute)
        wait = bucket.wait(asked)
        if wait == 0:
            bucket.take(asked)
            taken += asked
        else:
            # Who waits as long as they are told gets it then.
            clock.seconds += wait * (1 + 1e-9) + 1e-9
            assert bucket.wait(asked) == pytest.approx(0, abs=1e-6)
        assert taken <= per_minute + (clock.seconds - began) * per_minute / 60 + 1e-6


def test_calls_beyond_a_minutes_worth_wait_as_long_as_they_are_told() -> None:
    clock = Clock()
    allowance = Allowance(Limits(requests_per_minute=2), clock)
    allowance.call()
    allowance.call()
    with pytest.raises(RateLimited) as limited:
        allowance.call()
    assert limited.value.retry_after == pytest.approx(30)
    assert limited.value.metadata == {"limit": "requests"}
    clock.seconds += 30
    allowance.call()


def test_an_answer_takes_what_it_was_expected_to_cost_and_then_what_it_has_cost() -> None:
    clock = Clock()
    allowance = Allowance(Limits(tokens_per_minute=100), clock)
    assert allowance.tokens is not None
    with allowance.answer(60) as bill:
        assert allowance.tokens.level == 40
        with pytest.raises(RateLimited), allowance.answer(60):
            pass
        bill.settle(10)
    assert allowance.tokens.level == 90
    with pytest.raises(Forbidden), allowance.answer(50):
        raise Forbidden("for another's fault")
    assert allowance.tokens.level == 90
    with pytest.raises(ClientTooSlow), allowance.answer(50):
        raise ClientTooSlow
    assert allowance.tokens.level == 40
    with pytest.raises(GeneratorExit), allowance.answer(20):
        raise GeneratorExit
    assert allowance.tokens.level == 20
    clock.seconds += 60
    # One that asks for more than a minute has is let in when the minute is full, and owes the rest.
    with allowance.answer(1000):
        pass
    assert allowance.tokens.level == -900
    assert allowance.tokens.wait(100) == pytest.approx(600)


def test_answers_at_once_are_counted_however_they_end() -> None:
    allowance = Allowance(Limits(concurrency=1))
    with allowance.answer(1):
        with pytest.raises(RateLimited) as limited, allowance.answer(1):
            pass
        assert limited.value.metadata == {"limit": "concurrency"}
    with pytest.raises(InvalidField), allowance.answer(1):
        raise InvalidField("model", "is wrong")
    with allowance.answer(1):
        pass


def test_a_key_may_be_for_some_models_and_no_more_urgent_than_told() -> None:
    who = Caller(models=frozenset({"org/model"}), highest=Priority.NORMAL)
    assert who.admitted(ORDER) == ORDER
    urgent = ChatOrder(ORDER.turns, model="org/model", priority=Priority.INTERACTIVE)
    assert who.admitted(urgent).priority is Priority.NORMAL
    patient = ChatOrder(ORDER.turns, model="org/model", priority=Priority.BATCH)
    assert who.admitted(patient).priority is Priority.BATCH
    for wrong, field in (
        (ChatOrder(ORDER.turns), "model"),
        (ChatOrder(ORDER.turns, model="auto"), "model"),
        (ChatOrder(ORDER.turns, model="other"), "model"),
        (ChatOrder(ORDER.turns, model="org/model", allow_fallback=True), "allow_fallback"),
    ):
        with pytest.raises(Forbidden) as refused:
            who.admitted(wrong)
        assert refused.value.field == field
        assert OPEN.admitted(wrong) == wrong


def test_a_caller_holds_inside_alone() -> None:
    with acting(Caller(tenant="acme")):
        assert caller().tenant == "acme"
    assert caller() is OPEN


async def test_outside_of_calls_nobody_has_anything() -> None:
    async def started() -> Caller:
        return caller()

    with outside_calls(NOBODY):
        # In tasks too, until one says for whom it acts.
        assert await asyncio.create_task(started()) is NOBODY
        with pytest.raises(RuntimeError):
            tenant()
        with acting(Caller(tenant="acme")):
            assert tenant() == "acme"
    assert caller() is OPEN
    assert not TENANT.fullmatch(NOBODY.tenant)
    assert not NOBODY.admin


REQUEST_IDS = st.from_regex(r"[A-Za-z0-9._:-]{1,128}", fullmatch=True)
TENANTS = st.one_of(st.just(DEFAULT_TENANT), st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True))


@settings(max_examples=60, deadline=None)
@given(mine=TENANTS, other=TENANTS, request_id=REQUEST_IDS, claimed=REQUEST_IDS)
def test_no_id_names_the_run_of_another_tenant(mine: str, other: str, request_id: str, claimed: str) -> None:
    own = run_id_of(request_id, mine)
    assert len(own) <= 128
    assert own_run_id(own, mine) == own
    if mine == other:
        return
    # Neither its name, nor any that somebody makes up, nor a request id made of its name.
    for name in (own, claimed, f"run-{claimed}", f"run-{own}", f"run-{request_id}"):
        try:
            found = own_run_id(name, other)
        except RunNotFound:
            continue
        assert found != own
    assert run_id_of(own, other) != own
    assert run_id_of(own.removeprefix("run-"), other) != own


@settings(max_examples=40, deadline=None)
@given(tenant=TENANTS, request_id=st.from_regex(r"[A-Za-z0-9._:-]{1,120}", fullmatch=True))
def test_clients_that_make_up_a_request_id_find_their_run_by_it(tenant: str, request_id: str) -> None:
    assert own_run_id(f"run-{request_id}", tenant) == run_id_of(request_id, tenant)


def write(path: Path, *entries: dict[str, Any]) -> None:
    """Replaces the file as careful programs do."""
    beside = path.with_suffix(".new")
    beside.write_text(yaml.safe_dump({"keys": list(entries)}))
    beside.replace(path)


async def test_a_file_that_changes_is_taken_and_one_that_is_wrong_is_not(tmp_path: Path) -> None:
    path, keys = tmp_path / "keys.yaml", Keyring(lambda: NOW)
    write(path, entry())
    file = KeyFile(str(path), keys)
    assert keys.find(SECRET).tenant == "acme"
    for content in (b"keys: [", b"keys: [{id: 1}]", b"\xff\xfe\x00", b"", b"- 1"):
        path.write_bytes(content)
        await file.check()
        assert keys.find(SECRET).tenant == "acme", content
        assert file.refused
    path.unlink()
    await file.check()
    assert keys.find(SECRET).tenant == "acme"
    write(path, entry(tenant="other"))
    await file.check()
    assert keys.find(SECRET).tenant == "other"
    assert not file.refused
    write(path)
    await file.check()
    with pytest.raises(KeyRefused):
        keys.find(SECRET)


async def test_a_mounted_secret_is_taken_when_its_link_is_turned(tmp_path: Path) -> None:
    for name, owner in (("one", "acme"), ("two", "other")):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "keys.yaml", entry(tenant=owner))
    for name in ("one", "two"):
        os.utime(tmp_path / name / "keys.yaml", (1, 1))
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "keys.yaml").symlink_to("data/keys.yaml")
    keys = Keyring(lambda: NOW)
    file = KeyFile(str(tmp_path / "keys.yaml"), keys)
    assert keys.find(SECRET).tenant == "acme"
    (tmp_path / "turned").symlink_to("two")
    (tmp_path / "turned").replace(tmp_path / "data")
    await file.check()
    assert keys.find(SECRET).tenant == "other"


@pytest.mark.parametrize("content", [None, b"keys: [", b"keys: 7"])
def test_a_gateway_does_not_start_with_a_file_that_it_cannot_use(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "keys.yaml").write_bytes(content)
    with pytest.raises(StartupError, match="OLO_GATEWAY_API_KEYS_FILE"):
        KeyFile(str(tmp_path / "keys.yaml"), Keyring())


def test_with_keys_a_gateway_may_be_reached_from_elsewhere() -> None:
    with pytest.raises(ValueError, match="refusing to bind"):
        GatewaySettings(host="0.0.0.0")
    assert GatewaySettings(host="0.0.0.0", api_keys_file="/etc/olo/keys.yaml").authenticated
