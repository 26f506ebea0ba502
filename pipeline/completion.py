"""Shell completion, written from the parsers of the commands."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHELLS = ("bash", "zsh", "fish")

# Names under `variants:`, as people indent them; a configuration that is written otherwise completes nothing.
_VARIANTS = (
    r"awk '/^variants:/ {on=1; next} /^[^ #]/ {on=0} "
    r"""on && match($0, /^  [a-z][a-z0-9_]*:/) {print substr($0, 3, RLENGTH - 3)}'"""
)


@dataclass(frozen=True)
class Words:
    """What may follow a command.

    Attributes:
        help: The command in a few words.
        options: Options -> what they do.
        choices: Words that a positional argument must be one of.
        config: Whether it takes a configuration.
        variant: Whether the name of a variant follows the configuration.
    """

    help: str
    options: Mapping[str, str]
    choices: Sequence[str]
    config: bool
    variant: bool

    @classmethod
    def of(cls, help_: str, parser: argparse.ArgumentParser) -> "Words":
        """Reads them from a command's parser."""
        actions = parser._actions
        options = {flag: action.help or "" for action in actions for flag in action.option_strings if flag[:2] == "--"}
        positional = [action for action in actions if not action.option_strings]
        choices = [str(choice) for action in positional for choice in action.choices or ()]
        named = {action.dest for action in positional}
        return cls(help_, options, choices, "config" in named, "variant" in named)


def script(shell: str, program: str, commands: Mapping[str, Words]) -> str:
    """The script to be read by a shell.

    Args:
        shell: One of `SHELLS`.
        program: Name of the command that is completed.
        commands: Its commands by name.
    """
    if shell == "fish":
        return _fish(program, commands)
    start = (
        "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    )
    return start + _bash(program, commands)


def _bash(program: str, commands: Mapping[str, Words]) -> str:
    function = "_" + program.replace("-", "_")
    cases = "\n".join(_bash_case(name, words) for name, words in commands.items())
    return f"""{function}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} command='' config='' options='' words='' yaml='' variants='' i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
            -*) ;;
            *.yaml | *.yml) config=${{COMP_WORDS[i]}} ;;
            *) [[ -n $command ]] || command=${{COMP_WORDS[i]}} ;;
        esac
    done
    case $command in
        '') words='{" ".join(commands)}' ;;
{cases}
    esac
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
        return
    fi
    if [[ -n $variants && -r $config ]]; then
        words=$({_VARIANTS} "$config")
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    if [[ -n $yaml && -z $config ]]; then
        COMPREPLY+=($(compgen -f -X '!*.y?(a)ml' -- "$word") $(compgen -d -S / -- "$word"))
        [[ ${{#COMPREPLY[@]}} -eq 1 && ${{COMPREPLY[0]}} == */ ]] && compopt -o nospace 2>/dev/null
    elif [[ ${{#COMPREPLY[@]}} -eq 0 && -n $command ]]; then
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
shopt -s extglob 2>/dev/null
complete -F {function} {program}
"""


def _bash_case(name: str, words: Words) -> str:
    flags = ["yaml=1"] * words.config + ["variants=1"] * words.variant
    parts = [f"options='{' '.join(words.options)}'", f"words='{' '.join(words.choices)}'", *flags]
    return f"        {name}) {'; '.join(parts)} ;;"


def _fish(program: str, commands: Mapping[str, Words]) -> str:
    lines = [f"complete -c {program} -f"]
    for name, words in commands.items():
        lines.append(f"complete -c {program} -n __fish_use_subcommand -a {name} -d {_quoted(words.help)}")
        here = f"complete -c {program} -n '__fish_seen_subcommand_from {name}'"
        lines += [f"{here} -l {flag[2:]} -d {_quoted(text)}" for flag, text in words.options.items()]
        if words.choices:
            lines.append(f"{here} -a '{' '.join(words.choices)}'")
        if words.config:
            lines.append(f"{here} -k -a '(__fish_complete_suffix .yaml)'")
        if words.variant:
            read = f"for f in (string match -e .yaml -- (commandline -opc)); {_VARIANTS} $f; end"
            lines.append(f"{here} -a {_quoted(f'({read})')}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """In single quotes, as fish reads them."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
