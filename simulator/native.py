"""ZapCloud's own authorization: an installation's list of cards, and whether they are asked for at all."""

from simulator.hooks import OnAuthorized, conclude
from simulator.kernel import Kernel, Signal
from simulator.models import AuthenticationType, Card, Charger, Installation, Plugged
from simulator.sessions import User
from simulator.world import World


class NativeAuthorization:
    """Lets vehicles in by card; a charger that is offline knows the list as well."""

    def __init__(self, kernel: Kernel, world: World) -> None:
        self._kernel = kernel
        self._world = world

    async def ask(self, charger: Charger, plugged: Plugged, authorized: OnAuthorized) -> None:
        """Wait for a card where one is needed; ends with an outcome in the attempt, calling `authorized` for the good
        one."""
        installation = self._world.installation_of(charger)
        while needs_card(charger, installation) and plugged.token is None and not plugged.gone:
            plugged.changed = Signal()
            await self._kernel.wait(plugged.changed)
        if plugged.gone:
            conclude(plugged, "unplugged", self._kernel.now())
        elif needs_card(charger, installation) and plugged.token not in installation.cards:
            conclude(plugged, "refused", self._kernel.now(), "the card is not on the installation's list")
        else:
            authorized(charger, plugged, self._world.new_id("session"))


def needs_card(charger: Charger, installation: Installation) -> bool:
    return (
        installation.authentication_type == AuthenticationType.NATIVE
        and installation.is_required_authentication
        and not charger.authentication_disabled
    )


def canonical_token(scanned: str) -> str:
    """A card as the charger reports it: `nfc-` and upper-case hexadecimal digits; what has a prefix stays as it is."""
    if scanned.startswith(("nfc-", "ble-")):
        return scanned
    return "nfc-" + "".join(character for character in scanned if character not in " :-").upper()


def register(installation: Installation, scanned: str, name: str, user: User | None = None) -> Card:
    """Put a card on the list, or in the place of one with the same token."""
    card = Card(canonical_token(scanned), name, user)
    installation.cards[card.token] = card
    return card
