"""How ZapCloud's REST API writes things: PascalCase keys, naive UTC timestamps, and null fields mostly left out."""

from datetime import datetime
from typing import Any

from simulator.models import AuthenticationType, Charger, Circuit, Installation, Observation, StateId
from simulator.readings import is_charging, number_text
from simulator.world import World

type Json = dict[str, Any]

TN_3_PHASE = 4


def naive(instant: datetime | None) -> str | None:
    """Without `Z`, to the millisecond, trailing zeros trimmed."""
    if instant is None:
        return None
    text = f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03}"
    return text.rstrip("0").rstrip(".")


def charger_item(charger: Charger, installation: Installation) -> Json:
    """The model ChargerListModel. SerialNo is a deprecated alias of Name: the serial number is DeviceId."""
    return {
        "OperatingMode": charger.operation_mode,
        "IsOnline": charger.online,
        "Id": charger.id,
        "MID": charger.device_id,
        "DeviceId": charger.device_id,
        "SerialNo": charger.name,
        "Name": charger.name,
        "CreatedOnDate": naive(installation.created_at),
        "CircuitId": charger.circuit_id,
        "Active": True,
        "CurrentUserRoles": installation.current_user_roles,
        "Pin": charger.pin,
        "DeviceType": charger.device_type,
        "InstallationName": installation.name,
        "InstallationId": installation.id,
        "AuthenticationType": installation.authentication_type,
        "IsAuthorizationRequired": not charger.authentication_disabled
        and (installation.authentication_type != AuthenticationType.NATIVE or installation.is_required_authentication),
    }


def charger_states(charger: Charger, now: datetime, *, metered_live: bool) -> list[Json]:
    """The bare array of ChargerStateModel. Metered live, the session energy is that of now, for want of reports."""
    states = dict(charger.states)
    session = charger.session
    if metered_live and session and is_charging(charger):
        energy = number_text(charger, session.energy_at(now))
        states[StateId.SESSION_ENERGY_KWH] = Observation(StateId.SESSION_ENERGY_KWH, now, energy)
    return [charger_state(charger, observation) for _, observation in sorted(states.items())]


def charger_state(charger: Charger, observation: Observation) -> Json:
    """The model ChargerStateModel; a cleared value has no ValueAsString."""
    state: Json = {
        "ChargerId": charger.id,
        "StateId": observation.state_id,
        "Timestamp": naive(charger.claimed_instant(observation)),
    }
    return {**state, "ValueAsString": observation.value} if observation.value else state


def installation_item(installation: Installation) -> Json:
    """Some of the 60 fields of InstallationModel; how authorization and messages are set up is shown to those who
    manage the installation, the authentication payload, a secret, among it.

    IsRequiredAuthentication is about ZapCloud's own authorization: users of the live service see it as false where web
    hooks or OCPP are in use (custom-components/zaptec, issue 67).
    """
    item: Json = {
        "Id": installation.id,
        "Name": installation.name,
        "MaxCurrent": installation.max_current_a,
        "Active": True,
        "NetworkType": TN_3_PHASE,
        "CreatedOnDate": naive(installation.created_at),
        "CurrentUserRoles": installation.current_user_roles,
        "AuthenticationType": installation.authentication_type,
        "IsRequiredAuthentication": installation.authentication_type == AuthenticationType.NATIVE
        and installation.is_required_authentication,
        "ActiveChargerCount": sum(len(circuit.charger_ids) for circuit in installation.circuits),
        "PropertyOfflineModeAllowAnonymous": installation.offline_allow_anonymous,
        "TimeZoneIanaName": "Europe/Oslo",
    }
    if installation.is_managed:
        item |= {
            "WebhooksAuthUrl": installation.webhooks_auth_url,
            "WebhooksAuthPayload": installation.webhooks_auth_payload,
            "WebhooksSessionStartUrl": installation.webhooks_session_start_url,
            "WebhooksSessionEndUrl": installation.webhooks_session_end_url,
            "MessagingEnabled": installation.messaging_enabled,
        }
    return item


def hierarchy(installation: Installation, world: World) -> Json:
    """The model InstallationTreeModel: circuits and their chargers."""
    return {
        "Id": installation.id,
        "Name": installation.name,
        "InstallationName": installation.name,
        "NetworkType": TN_3_PHASE,
        "Circuits": [_circuit(circuit, installation, world) for circuit in installation.circuits],
    }


def _circuit(circuit: Circuit, installation: Installation, world: World) -> Json:
    chargers = [world.chargers[charger_id] for charger_id in circuit.charger_ids]
    return {
        "Id": circuit.id,
        "Name": circuit.name,
        "MaxCurrent": circuit.max_current_a,
        "IsActive": True,
        "Active": True,
        "InstallationId": installation.id,
        "InstallationName": installation.name,
        "Chargers": [
            {
                "Id": charger.id,
                "DeviceId": charger.device_id,
                "MID": charger.device_id,
                "Name": charger.name,
                "SerialNo": charger.name,
                "Active": True,
                "DeviceType": charger.device_type,
            }
            for charger in chargers
        ],
    }
