"""`schedule CONFIG`: cycles on a cluster, by the clock."""

import argparse

from kubeflow.client import Client
from kubeflow.commands.server import open_client
from kubeflow.compiled import compiled
from kubeflow.connection import add_connection
from kubeflow.recurring import Wanted, apply, described, ours, remove, switch
from pipeline.commands.config_argument import add_config, load_config
from pipeline.config import Config, SectionError
from pipeline.config.kubeflow_client import checked_cron
from pipeline.console import Console
from pipeline.errors import UserError

HELP = "let Kubeflow Pipelines run it again and again"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser)
    parser.add_argument(
        "--cron", metavar="FIELDS", help='six fields, second first: "0 0 2 * * *"; default: the key kubeflow.schedule'
    )
    parser.add_argument("--name", metavar="NAME", help="name of the schedule; default: the pipeline's")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--pause", action="store_true", help="let it fire no more until --resume")
    mode.add_argument("--resume", action="store_true", help="let it fire again")
    mode.add_argument("--delete", action="store_true", help="remove it; its runs stay")
    mode.add_argument("--list", action="store_true", help="show the schedules of the namespace")
    add_connection(parser)


def execute(args: argparse.Namespace, console: Console) -> int:
    """Does what was asked for."""
    config = load_config(args)
    changes = not (args.pause or args.resume or args.delete or args.list)
    if args.cron is not None and not changes:
        raise UserError("--cron must stand without --pause, --resume, --delete and --list, got it beside one of them")
    cron = _cron(args.cron, config) if changes else ""
    client = open_client(args, config, console)
    name = args.name or config.name
    if args.list:
        return _list(client, console)
    if args.delete:
        return _delete(client, name, console)
    if not changes:
        return _switch(client, name, args.resume, console)
    return _apply(client, config, name, cron, console)


def _cron(option: str | None, config: Config) -> str:
    section = config.kubeflow
    given = option if option is not None else section.schedule if section is not None else None
    if given is None:
        raise UserError(f"{config.where('kubeflow', 'schedule')}: must say when it runs, or --cron, got neither")
    try:
        return checked_cron(given)
    except SectionError as error:
        raise UserError(f"--cron: {error.faults[0]}") from error


def _apply(client: Client, config: Config, name: str, cron: str, console: Console) -> int:
    # Before compiling, which takes a while: whether the server lets us in, and whose the name is.
    ours(client, name)
    package = compiled(config)
    section = config.kubeflow
    assert section is not None, "compiling refuses a configuration without the section"
    wanted = Wanted(
        name=name,
        cron=cron,
        package=package,
        experiment=client.experiment(config.name),
        pipeline=client.version(config.name, package),
        service_account=section.service_account,
        source=config.file,
    )
    made = apply(client, wanted)
    paused = "" if made.active else "; it is paused: --resume lets it fire"
    said = {
        "created": f"created the schedule {name}, {cron}",
        "unchanged": f"nothing to do: the schedule {name} is there, {cron}, with the same content",
        "replaced": f"replaced the schedule {name}, now {cron}",
    }
    console.say(said[made.action] + paused)
    console.say(f"page     {client.connection.ui}/#/recurringrun/details/{made.id}")
    console.result(
        {
            "action": made.action,
            "id": made.id,
            "name": name,
            "cron": cron,
            "active": made.active,
            "content": wanted.sha256,
            "removed": list(made.removed),
        }
    )
    return 0


def _switch(client: Client, name: str, active: bool, console: Console) -> int:
    found = switch(client, name, active)
    console.say(f"{'resumed' if active else 'paused'} the schedule {name}")
    console.result({"action": "resumed" if active else "paused", "id": found, "name": name, "active": active})
    return 0


def _delete(client: Client, name: str, console: Console) -> int:
    removed = remove(client, name)
    console.say(f"deleted the schedule {name}" if removed else f"nothing to do: there is no schedule {name}")
    console.result({"action": "deleted" if removed else "unchanged", "name": name, "removed": removed})
    return 0


def _list(client: Client, console: Console) -> int:
    rows = [described(each) for each in ours(client)]
    for row in rows:
        console.show(f"{row['name']}  {row['cron']}  {'active' if row['active'] else 'paused'}  {row['id']}")
    if not rows:
        console.show("no schedules")
    console.result({"schedules": rows})
    return 0
