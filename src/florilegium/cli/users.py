"""`florilegium users`: who may use the server. Knows the file of accounts and no server."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from florilegium.cli import options
from florilegium.cli.render import (
    clean_name,
    make_table,
    print_json,
    print_line,
    print_table,
    reported_errors,
    talk,
)
from florilegium.config import load_settings
from florilegium.errors import ConfigError, IndexNotFoundError, MissingExtraError
from florilegium.library import Library
from florilegium.server.accounts import (
    Account,
    check_label,
    check_new_name,
    check_user_name,
    names_alike,
)
from florilegium.server.keys import digest, new_key
from florilegium.server.served import check_name
from florilegium.server.users import User
from florilegium.server.users_file import Accounts, changing_accounts, read_accounts

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name of the user.")]
LabelArgument = Annotated[
    str, typer.Argument(metavar="LABEL", help="What tells this key from others, e.g. laptop.")
]
UsersOption = Annotated[
    Path | None,
    typer.Option(
        "--users",
        metavar="FILE",
        help="The file of accounts; by default the setting server.users_file.",
        show_default=False,
    ),
]
StdinOption = Annotated[
    bool,
    typer.Option(
        "--password-stdin", help="Read the password from a line of stdin instead of asking for it."
    ),
]


def add(
    name: NameArgument,
    *,
    library: Annotated[
        list[str] | None,
        typer.Option(
            "--library",
            metavar="NAME",
            help="A library that the user sees. May be given again; by default they see all.",
            show_default=False,
        ),
    ] = None,
    may_write: Annotated[
        bool, typer.Option("--may-write", help="Let the user ingest and upload.")
    ] = False,
    password_stdin: StdinOption = False,
    users: UsersOption = None,
    debug: options.DebugOption = False,
) -> None:
    """Add a user, and ask for the password.

    The first one makes the file. A running server knows the new user at once.
    """
    with reported_errors(debug=debug):
        check_user_name(name)
        for one in library or ():
            check_name(one)
        file = _file(users)
        # Asked for before the file is held, so that nobody waits for somebody who types.
        hashed = _ask_password(from_stdin=password_stdin)
        libraries = None if library is None else frozenset(library)
        id_ = secrets.token_hex(16)
        user = User(name=name, libraries=libraries, may_write=may_write, id=id_)
        with changing_accounts(file) as accounts:
            check_new_name(name, accounts)
            accounts[name] = Account(user=user, password=hashed)
        talk(f"added {name}")


def remove(
    name: NameArgument, *, users: UsersOption = None, debug: options.DebugOption = False
) -> None:
    """Remove a user, whose keys and sessions end at once.

    Nobody finds the user's chats any more, not even a later user of the same name.
    """
    with reported_errors(debug=debug):
        with changing_accounts(_file(users)) as accounts:
            _account(accounts, name)
            del accounts[name]
        talk(f"removed {name}")


def change(
    name: NameArgument,
    *,
    library: Annotated[
        list[str] | None,
        typer.Option(
            "--library",
            metavar="NAME",
            help="A library that the user sees from now on, and no other. May be given again.",
            show_default=False,
        ),
    ] = None,
    all_libraries: Annotated[
        bool, typer.Option("--all-libraries", help="Let the user see all libraries.")
    ] = False,
    may_write: Annotated[
        bool | None,
        typer.Option(
            "--may-write/--no-may-write",
            help="Whether the user may ingest and upload.",
            show_default=False,
        ),
    ] = None,
    users: UsersOption = None,
    debug: options.DebugOption = False,
) -> None:
    """Change which libraries a user sees, and whether they may write.

    What is not named stays, as do the password, the keys and the chats. A running server knows it
    at once.
    """
    with reported_errors(debug=debug):
        for one in library or ():
            check_name(one)
        if library is not None and all_libraries:
            raise ConfigError(
                "--library and --all-libraries contradict each other.", hint="Give one of them."
            )
        rights: dict[str, Any] = {}
        if library is not None or all_libraries:
            rights["libraries"] = None if library is None else frozenset(library)
        if may_write is not None:
            rights["may_write"] = may_write
        if not rights:
            raise ConfigError(
                "There is nothing to change.",
                hint="Give --library, --all-libraries, --may-write or --no-may-write.",
            )
        _change(
            _file(users),
            name,
            lambda account: replace(account, user=replace(account.user, **rights)),
        )
        talk(f"changed what {name} may do")


def list_users(
    *,
    users: UsersOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """List the users and the labels of their keys."""
    with reported_errors(debug=debug, as_json=as_json):
        accounts = read_accounts(_file(users))
        for names in names_alike(accounts):
            talk(f"{' and '.join(names)} are taken for one by people: keep one of them")
        if as_json:
            print_json([_to_json(accounts[name]) for name in sorted(accounts)])
            return
        table = make_table("user", "libraries", "may write", "keys")
        for name in sorted(accounts):
            told = _to_json(accounts[name])
            libraries, keys = told["libraries"], told["keys"]
            cells = (
                name,
                "all" if libraries is None else _joined(libraries),
                "yes" if told["may_write"] else "no",
                _joined(keys),
            )
            table.add_row(*(Text(clean_name(cell)) for cell in cells))
        print_table(table)


def key(
    name: NameArgument,
    label: LabelArgument,
    *,
    users: UsersOption = None,
    debug: options.DebugOption = False,
) -> None:
    """Make a key for a user, and print it once.

    Programs send it as `Authorization: Bearer KEY`. Only its hash is kept.
    """
    with reported_errors(debug=debug):
        check_label(label)
        made = new_key()

        def with_key(account: Account) -> Account:
            if label in account.keys:
                raise ConfigError(
                    f"{name!r} has a key {label!r} already.",
                    hint="Revoke it first, or choose another label.",
                )
            return replace(account, keys={**account.keys, label: digest(made)})

        _change(_file(users), name, with_key)
        print_line(made)


def revoke(
    name: NameArgument,
    label: LabelArgument,
    *,
    users: UsersOption = None,
    debug: options.DebugOption = False,
) -> None:
    """Revoke a key, which is worth nothing from then on."""
    with reported_errors(debug=debug):

        def without_key(account: Account) -> Account:
            if label not in account.keys:
                raise ConfigError(
                    f"{name!r} has no key {label[:100]!r}.",
                    hint="Run `florilegium users list` to see the labels.",
                )
            kept = {one: hashed for one, hashed in account.keys.items() if one != label}
            return replace(account, keys=kept)

        _change(_file(users), name, without_key)
        talk(f"revoked {label} of {name}")


def password(
    name: NameArgument,
    *,
    password_stdin: StdinOption = False,
    users: UsersOption = None,
    debug: options.DebugOption = False,
) -> None:
    """Give a user another password, which ends all sessions of that user."""
    with reported_errors(debug=debug):
        file = _file(users)
        _account(read_accounts(file), name)
        hashed = _ask_password(from_stdin=password_stdin)
        _change(file, name, lambda account: replace(account, password=hashed))
        talk(f"changed the password of {name}")


def _file(users: Path | None) -> Path:
    if users is not None:
        return users.expanduser()
    try:
        root = Library.locate(Path.cwd())
    except IndexNotFoundError:
        root = None
    configured = load_settings(root).config.server.users_file
    if not configured:
        raise ConfigError(
            "No file of accounts is configured.",
            hint="Give --users FILE, or set server.users_file.",
        )
    return Path(configured).expanduser()


def _ask_password(*, from_stdin: bool) -> str:
    try:
        # Only these commands need the package.
        from florilegium.server.passwords import hash_password  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            f"Accounts need the package {error.name!r}.",
            hint="Run `pip install 'florilegium[server]'`.",
        ) from error
    if from_stdin:
        return hash_password(typer.get_text_stream("stdin").readline().rstrip("\r\n"))
    return hash_password(
        typer.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True)
    )


def _change(file: Path, name: str, change: Callable[[Account], Account]) -> None:
    with changing_accounts(file) as accounts:
        accounts[name] = change(_account(accounts, name))


def _account(accounts: Accounts, name: str) -> Account:
    if name not in accounts:
        raise ConfigError(
            f"There is no user {name[:100]!r}.",
            hint="Run `florilegium users list` to see their names.",
        )
    return accounts[name]


def _to_json(account: Account) -> dict[str, object]:
    user = account.user
    return {
        "name": user.name,
        "libraries": None if user.libraries is None else sorted(user.libraries),
        "may_write": user.may_write,
        "keys": sorted(account.keys),
    }


def _joined(names: object) -> str:
    return ", ".join(names) if isinstance(names, list) else ""
