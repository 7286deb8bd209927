"""The script that completes the command line in bash."""

from collections.abc import Iterable
from shlex import quote

from exporter.assets.completion.table import ALWAYS, FIRST, SECOND, STATE, assigned, is_path
from exporter.config.assets import SHELLS
from exporter.config.commands import COMMANDS, PROGRAM
from exporter.config.settings import SETTINGS
from exporter.config.usage import flags_of

_SCRIPT = """\
# Completion of {program} for bash, made by `{program} completion bash`.
_lnd_payments_exporter() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" flag="${{COMP_WORDS[COMP_CWORD-1]}}" command="${{COMP_WORDS[1]}}" known=
    if [[ $word == "=" ]]; then # bash takes --flag=value for three words
        word=
    elif [[ $flag == "=" ]]; then
        flag="${{COMP_WORDS[COMP_CWORD-2]}}"
    fi
    COMPREPLY=()
    case "$flag" in
{values}
        {paths}) compopt -o default; return ;;
        {others}) return ;;
    esac
    if [[ -n $known ]]; then # the last one of several words with commas
        [[ $word == *,* ]] && flag="${{word%,*}}," || flag=
        COMPREPLY=($(compgen -P "$flag" -W "$known" -- "${{word##*,}}"))
        return
    fi
    if [[ $word != -* ]]; then
        case "$COMP_CWORD $command" in
            "1 "*) known={first} ;;
            "2 {state}") known={second} ;;
            "2 completion") known={shells} ;;
            *" {state}") compopt -o default ;;
        esac
        COMPREPLY=($(compgen -W "$known" -- "$word"))
        return
    fi
    case "$command" in
        {state}) command="{state} ${{COMP_WORDS[2]}}" ;;
        -*) command=run ;;
    esac
    case "$command" in
{flags}
    esac
    COMPREPLY=($(compgen -W "$known {always}" -- "$word"))
    [[ ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace
}}
complete -F _lnd_payments_exporter {program}
"""


def script() -> str:
    """Return the script, for bash 4 or newer."""
    settings = SETTINGS.values()
    flags = {command: " ".join(map(assigned, flags_of(command))) for command in COMMANDS}
    return _SCRIPT.format(
        program=PROGRAM,
        state=STATE,
        first=_words(FIRST),
        second=_words(SECOND),
        shells=_words(SHELLS),
        always=" ".join(ALWAYS),
        values="\n".join(f"        {each.flag}) known={_words(each.words)} ;;" for each in settings if each.words),
        paths="|".join(each.flag for each in settings if is_path(each)),
        others="|".join(each.flag for each in settings if not (each.switch or each.words or is_path(each))),
        flags="\n".join(f"        {quote(command)}) known={quote(known)} ;;" for command, known in flags.items()),
    )


def _words(words: Iterable[str]) -> str:
    return quote(" ".join(words))
