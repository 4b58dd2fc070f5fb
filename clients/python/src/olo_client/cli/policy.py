"""`olo models get`, `set`, `alias`, `aliases` and `drain`: what an operator decides of models."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from olo.registry.v1.registry_service_pb2 import Alias, InstanceState, Model
from olo_client.administration import Policy
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, enum_word, moment, write_done, write_json, write_table
from olo_client.client import Olo

app = typer.Typer()

ModelId = Annotated[str, typer.Argument(help="The model.")]

_CLEARED: dict[str, Policy] = {
    "quality": {"quality_score": None},
    "input-cost": {"cost_per_1k_input_tokens": None},
    "output-cost": {"cost_per_1k_output_tokens": None},
    "labels": {"labels": {}},
    "capabilities": {"capabilities": ()},
    "tenants": {"allowed_tenants": ()},
}


@app.command("get")
def get(model_id: ModelId, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Shows a model, its policy and its instances."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        _show(olo.models.get(model_id), as_json)


@app.command("set")
def set_policy(  # noqa: PLR0917  # one option for each thing that can be set
    model_id: ModelId,
    name: Annotated[str | None, typer.Option(help="Name for people.")] = None,
    priority: Annotated[int | None, typer.Option(help="0 to 1000; higher is chosen first.")] = None,
    default: Annotated[bool | None, typer.Option(help="Chosen when the caller names no model.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enabled/--disabled", help="A disabled model is never chosen.")
    ] = None,
    quality: Annotated[float | None, typer.Option(help="0 to 1.")] = None,
    input_cost: Annotated[float | None, typer.Option(help="US dollars for 1000 tokens of the prompt.")] = None,
    output_cost: Annotated[float | None, typer.Option(help="US dollars for 1000 tokens of the answer.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="KEY=VALUE, once for each; they replace all.")] = None,
    capability: Annotated[list[str] | None, typer.Option(help="Such as tools; they replace all.")] = None,
    tenant: Annotated[list[str] | None, typer.Option(help="Who may use it; they replace all.")] = None,
    clear: Annotated[list[str] | None, typer.Option(help=f"Give back: {', '.join(_CLEARED)}.")] = None,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Sets the policy of a model; what is left out stays as it is."""
    given = {
        "model_name": name,
        "priority": priority,
        "default_flag": default,
        "enabled": enabled,
        "quality_score": quality,
        "cost_per_1k_input_tokens": input_cost,
        "cost_per_1k_output_tokens": output_cost,
        "labels": dict(_pair(text, "--label") for text in label or ()) or None,
        "capabilities": capability or None,
        "allowed_tenants": tenant or None,
    }
    policy: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    for word in clear or ():
        if word not in _CLEARED:
            raise typer.BadParameter(f"{word} is none of {', '.join(_CLEARED)}", param_hint="--clear")
        policy.update(_CLEARED[word])
    if not policy:
        raise typer.BadParameter("name at least one thing to set")
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        _show(olo.models.update(model_id, **policy), as_json)


@app.command("alias")
def alias(  # noqa: PLR0917  # one option for each thing that can be said
    name: Annotated[str, typer.Argument(help="The name, such as chat:latest.")],
    models: Annotated[list[str] | None, typer.Argument(help="What it stands for: MODEL, or MODEL=WEIGHT ...")] = None,
    shadow: Annotated[
        str, typer.Option(help="MODEL=PERCENT: mirror so many of a hundred requests to it, to compare; left out: none.")
    ] = "",
    delete: Annotated[bool, typer.Option("--delete", help="End the alias.")] = False,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Makes a name stand for a model, or for several with weights."""
    if delete == bool(models):
        raise typer.BadParameter("name the models, or --delete")
    mirrored = _share(shadow) if shadow else None
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        if delete:
            olo.models.delete_alias(name)
            write_done({"alias": name, "deleted": True}, f"{name} is deleted", as_json=as_json)
            return
        made = olo.models.set_alias(name, dict(_weighted(text) for text in models or ()), mirrored)
    if as_json:
        write_json(as_dict(made))
    else:
        print(f"{made.alias} is {_targets(made)}" + (f", mirrored to {_shadow(made)}" if _shadow(made) else ""))


@app.command("aliases")
def aliases(as_json: AsJson = False, target: Target = TARGET) -> None:
    """Lists the names that stand for models."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = olo.models.aliases()
    if as_json:
        write_json([as_dict(made) for made in found])
    else:
        write_table(
            ("alias", "stands for", "mirrored to"), ((made.alias, _targets(made), _shadow(made)) for made in found)
        )


@app.command("drain")
def drain(
    model_id: Annotated[str, typer.Argument(help="The model, with all instances that it has now.")] = "",
    instance: Annotated[str, typer.Option(help="One instance instead.")] = "",
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Has instances finish their work and take nothing new until they are started again."""
    if bool(model_id) == bool(instance):
        raise typer.BadParameter("name either a model or --instance")
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        told = list(olo.models.drain(model_id=model_id, instance_id=instance))
    write_done({"draining": told}, "\n".join(f"{instance_id} drains" for instance_id in told), as_json=as_json)


def _show(model: Model, as_json: bool) -> None:
    if as_json:
        write_json(as_dict(model))
        return
    numbers = ("quality_score", "cost_per_1k_input_tokens", "cost_per_1k_output_tokens")
    rows: list[tuple[str, object]] = [("model", model.model_id), ("name", model.model_name)]
    rows += [("priority", model.priority), ("default", _yes(model.default_flag)), ("enabled", _yes(model.enabled))]
    rows += [(name.replace("_", " "), f"{getattr(model, name):g}" if model.HasField(name) else "-") for name in numbers]
    rows += [
        ("context limit", model.context_limit),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(model.labels.items())) or "-"),
        ("capabilities", ", ".join(model.capabilities) or "-"),
        ("tenants", ", ".join(model.allowed_tenants) or "all"),
    ]
    write_table(("field", "value"), rows)
    write_table(
        ("instance", "state", "why", "address", "in flight", "since"),
        (
            (
                i.instance_id,
                enum_word(InstanceState.Name(i.state), "INSTANCE_STATE_"),
                i.state_reason,
                i.address,
                f"{i.in_flight}/{i.max_concurrency}",
                moment(i.announce_time),
            )
            for i in model.instances
        ),
    )
    for conflict in model.conflicts:
        print(f"refused: {conflict.instance_id} says {conflict.field} {conflict.announced}, not {conflict.expected}")


def _targets(made: Alias) -> str:
    if len(made.targets) == 1:
        return made.targets[0].model_id
    return ", ".join(f"{target.model_id}={target.weight}" for target in made.targets)


def _shadow(made: Alias) -> str:
    return f"{made.shadow.model_id}={made.shadow.percent}%" if made.HasField("shadow") else ""


def _share(text: str) -> tuple[str, int]:
    model_id, _, percent = text.partition("=")
    if not percent.isdecimal():
        raise typer.BadParameter(f"{text} is not MODEL=PERCENT", param_hint="--shadow")
    return model_id, int(percent)


def _weighted(text: str) -> tuple[str, int]:
    model_id, _, weight = text.partition("=")
    if weight and not weight.isdecimal():
        raise typer.BadParameter(f"{text} is not MODEL=WEIGHT")
    return model_id, int(weight or 1)


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text} is not KEY=VALUE", param_hint=option)
    return key, value


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
