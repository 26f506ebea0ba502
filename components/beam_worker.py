"""A pool of Python workers beside an engine's own, for `environment_type: EXTERNAL`; see docs/beam-engines.md.

Beam's own pool imports what a job brings when it comes, in whatever order and from several threads. This one sets the
environment that our nodes need and imports what they import before it says that it is ready, so that every job finds
`tfx` imported before TFDV, tf_keras behind `tf.keras`, and no import to wait for.
"""

import argparse
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterable, Sequence

# Before anything imports TensorFlow: the optimization toolkit and every saved model need Keras 2.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

MODULES = (
    # `tfx` repairs names of TFDV's and TFMA's packages, so it comes before them.
    "tfx",
    "tensorflow_data_validation",
    "tensorflow_transform.beam",
    "tfx.components.statistics_gen.executor",
    "tfx.components.transform.executor",
    "components.ingest",
    "components.drift",
    "components.evaluate.answers",
    "components.evaluate.champion_answers",
    "components.evaluate.gate",
)
"""What jobs of our nodes unpickle."""

DEFAULT_PORT = 15000
"""Below the ports that Linux hands out by itself, one of which might be taken at any moment."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit code.

    Args:
        argv: The command line; default: that of the process.
    """
    args = _parser().parse_args(argv)
    _import([*MODULES, *args.imports])
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        server, port = serve(args.host, args.port)
    except RuntimeError as error:
        print(f"the worker pool must get the address {args.host}:{args.port}, but: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"workers at {args.host}:{port}", flush=True)  # noqa: T201 - whoever started this waits for the line
    ended.wait()
    server.stop(grace=0).wait()
    return 0


def serve(host: str, port: int) -> tuple["grpc.Server", int]:  # noqa: F821 - imported late, see above
    """Starts the pool; every job gets a worker, a set of threads in this process.

    Args:
        host: Where it listens; whoever reaches it can run code here. A name may stand for two addresses, of which one
            that can be had is enough.
        port: 0: any free one.

    Returns:
        The server, which must be kept, and its port.

    Raises:
        RuntimeError: The address cannot be had.
    """
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2_grpc
    from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
    from apache_beam.utils import thread_pool_executor

    options = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0), ("grpc.so_reuseport", 0)]
    server = grpc.server(thread_pool_executor.shared_unbounded_instance(), options=options)
    bound = server.add_insecure_port(f"{host}:{port}")
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(BeamFnExternalWorkerPoolServicer(), server)
    server.start()
    return server, bound


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m components.beam_worker", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0: any free one (default: %(default)s)")
    parser.add_argument(
        "--import", dest="imports", action="append", default=[], metavar="MODULE", help="also import it"
    )
    return parser


def _import(modules: Iterable[str]) -> None:
    for module in modules:
        importlib.import_module(module)


if __name__ == "__main__":
    sys.exit(main())
