"""What every command shares: its settings, and errors as one line with an exit code.

0    done
1    the data: too much of it is bad, a file is damaged, an invariant does not hold; or the disk said no
2    the settings: a name, value or file that the user can mend; nothing was done
3    some units failed again and again and were set aside; the others are done, the next run tries only these
130  interrupted; the same command goes on where it was
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

try:
    import hydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException
except ModuleNotFoundError as error:
    print(
        f"error: package {error.name!r}, which reads settings, is not installed; expected hydra-core and omegaconf; "
        "run pip install hydra-core omegaconf",
        file=sys.stderr,
    )
    sys.exit(2)

from jobs.command.config import CONF
from jobs.command.mistakes import explain
from jobs.command.progress import printable
from pipeline.errors import DataError, QuarantineError, UserError

EXIT_DATA, EXIT_USER, EXIT_QUARANTINE, EXIT_INTERRUPTED = 1, 2, 3, 130
EXIT_STOPPED = 143  # asked to stop by SIGTERM, as shells count it: schedulers start it again
STACK_TRACE = "HYDRA_FULL_ERROR"  # Hydra's own word for it

Main = Callable[[DictConfig], None]


def command(config_name: str) -> Callable[[Main], Callable[..., None]]:
    """Make a function of settings a command: settings from conf/ and the command line, errors in one line.

    With HYDRA_FULL_ERROR=1 in the environment, errors keep their stack trace. Settings given by a caller are taken.
    """

    def decorate(main: Main) -> Callable[..., None]:
        @functools.wraps(main)
        def run(cfg: DictConfig | None = None) -> None:
            if os.environ.get(STACK_TRACE) == "1":
                _compose_and_run(main, config_name)
                return
            end = _attempt(lambda: main(cfg), config_name) if cfg is not None else _launch(main, config_name)
            if end.code:
                is_json = cfg is None and "log=json" in sys.argv[1:]
                line = {"event": "error", "exit": end.code, "text": end.text}
                print(json.dumps(line) if is_json else f"error: {end.text}", file=sys.stderr)
                sys.exit(end.code)

        return run

    return decorate


@dataclass(frozen=True, slots=True)
class End:
    """How a command ended: its exit code, and what to tell the user."""

    code: int = 0
    text: str = ""


def _launch(main: Main, config_name: str) -> End:
    """Compose the settings and run; what goes wrong in either is the end, without Hydra's own words."""
    ends = [End()]

    @functools.wraps(main)
    def task(cfg: DictConfig) -> None:
        os.environ.pop(STACK_TRACE)
        ends[0] = _attempt(lambda: main(cfg), config_name)

    os.environ[STACK_TRACE] = "1"  # while settings are composed, Hydra raises what it would print
    composed = _attempt(lambda: _compose_and_run(task, config_name), config_name)
    os.environ.pop(STACK_TRACE, None)
    return composed if composed.code else ends[0]


def _compose_and_run(main: Main, config_name: str) -> None:
    hydra.main(version_base=None, config_path=CONF, config_name=config_name)(main)()


def _attempt(do: Callable[[], None], config_name: str) -> End:
    """Do something; errors made for people are an end, our own mistakes go through."""
    try:
        do()
    except UserError as error:
        return End(EXIT_USER, _line(error))
    except QuarantineError as error:
        return End(EXIT_QUARANTINE, _line(error))
    except DataError as error:
        return End(EXIT_DATA, _line(error))
    except (HydraException, OmegaConfBaseException) as error:
        return End(EXIT_USER, _line(explain(error, config_name, sys.argv[1:])))
    except OSError as error:
        return End(EXIT_DATA, _line(_refused(error)))
    except KeyboardInterrupt:
        return End(EXIT_INTERRUPTED, "interrupted; what is finished stays; run the same command again to go on")
    return End()


def _line(error: Exception) -> str:
    return printable(str(error))


def _refused(error: OSError) -> DataError:
    """Say what the operating system refused."""
    where = f" {error.filename!r}" if error.filename else ""
    why = error.strerror or str(error) or type(error).__name__
    return DataError(f"file or network{where} {why}; expected it to work; make doctor says what this machine lacks")
