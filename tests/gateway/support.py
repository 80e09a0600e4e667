"""What the gateway's tests share: settings, a board with an instance, a gateway over doubles."""

from dataclasses import replace

from fluxlit.config.settings import Settings
from fluxlit.gateway.app import build_gateway
from fluxlit.gateway.asgi import ASGIApp
from fluxlit.gateway.assets import Assets
from fluxlit.status import (
    DaemonPhase,
    Endpoint,
    InstancePhase,
    InstanceStatus,
    Snapshot,
    StatusBoard,
)
from tests.doubles.upstream import FakeRelay

PLACE = Endpoint("127.0.0.1", 40001)


def instance(
    name: str = "ui-1", phase: InstancePhase = InstancePhase.READY, port: int = 40001
) -> InstanceStatus:
    """An instance of the sidecar."""
    return InstanceStatus(name, "ui", 0, 1, phase, 0.0, Endpoint("127.0.0.1", port), 4711)


def ready(*instances: InstanceStatus) -> Snapshot:
    """A daemon that is ready, with the instances given or one."""
    return Snapshot(DaemonPhase.READY, instances=instances or (instance(),))


def board_of(snapshot: Snapshot | None = None) -> StatusBoard:
    """A board that shows ``snapshot``; a ready daemon unless given."""
    board = StatusBoard()
    board.publish(snapshot or ready())
    return board


def settings_of(**gateway: object) -> Settings:
    """Settings with fields of ``gateway`` replaced."""
    settings = Settings()
    return replace(settings, gateway=replace(settings.gateway, **gateway))  # type: ignore[arg-type]


def gateway_of(
    fake: FakeRelay | None = None,
    *,
    board: StatusBoard | None = None,
    api: ASGIApp | None = None,
    settings: Settings | None = None,
    assets: Assets | None = None,
) -> ASGIApp:
    """A gateway over doubles, with no jitter."""
    relay = (fake or FakeRelay()).relay
    return build_gateway(
        settings or Settings(),
        board or board_of(),
        api,
        relay,
        assets=assets,
        random=lambda: 0.5,
    )
