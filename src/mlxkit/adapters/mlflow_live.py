"""What the user's own code logs while it trains: live values, and the models of autologging."""

from __future__ import annotations

import functools
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.mlflow_errors import is_unreachable
from mlxkit.adapters.mlflow_store import IMPATIENT, connect, talking
from mlxkit.adapters.mlflow_tracking import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlxkit.adapters.mlflow_store import Store

_LIVE = ("log_metric", "log_batch", "log_param", "log_inputs", "set_tag", "update_run_info")
_LOST = "mlx: the MLflow server does not answer, and what is logged from here on is lost\n"
_BATCHING_THREAD = "MLflowAsyncLoggingLoop"
_AUTOLOGGED = "model"


def shield(uri: str) -> None:
    """Let a server that goes away stop no training in this process: from then on, live values are dropped.

    It is said once, on stderr and so in the stage's log. `uri` is that of the store; others are left alone.
    """
    if not uri.startswith("http"):
        return
    for name, value in IMPATIENT.items():
        os.environ.setdefault(name, value)
    from mlflow.store.tracking.rest_store import RestStore

    gone = threading.Event()

    def shielded(send: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(send)
        def unless_gone(*arguments: Any, **named: Any) -> Any:
            if gone.is_set():
                return None
            try:
                return send(*arguments, **named)
            except Exception as error:
                if not is_unreachable(error):
                    raise
                gone.set()
                sys.stderr.write(_LOST)
                return None

        return unless_gone

    for name in _LIVE:
        setattr(RestStore, name, shielded(getattr(RestStore, name)))


def flush() -> None:
    """Send the values that still wait, where the user chose MLflow's asynchronous logging.

    To be called in the process that logged them, which ends without Python's own tidying up.
    """
    if any(thread.name == _BATCHING_THREAD for thread in threading.enumerate()):
        import mlflow

        mlflow.flush_async_logging()


def drop_autologged_models(store: Store, run_id: str) -> tuple[str, ...]:
    """Delete the models that autologging added to a run, whose own model mlx logs, and return their ids.

    To be called in the process that trained: such models carry no mark, but only there is autologging on.

    Raises:
        ToolError: the store does not answer.
    """
    if "mlflow" not in sys.modules or not _autologs_models():
        return ()
    with talking(store, f"tidy the run '{run_id}' in MLflow"):
        client = connect(store)
        outputs = client.get_run(run_id).outputs
        ids = [output.model_id for output in outputs.model_outputs] if outputs else []
        models = [client.get_logged_model(model_id) for model_id in ids]
        dropped = [m.model_id for m in models if m.name == _AUTOLOGGED and MODEL not in m.tags]
        for model_id in dropped:
            client.delete_logged_model(model_id)
    return tuple(dropped)


def _autologs_models() -> bool:
    from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS

    configurations = AUTOLOGGING_INTEGRATIONS.values()
    return any(c and not c.get("disable") and c.get("log_models", True) for c in configurations)
