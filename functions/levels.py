"""Who checks the callers of the management API: the host, by function key, or our own code, by Entra token."""

import os

import azure.functions as func

from shared.settings import ApiAuthentication, api_authentication_from

API_LEVEL = (
    func.AuthLevel.ANONYMOUS
    if api_authentication_from(os.environ) is ApiAuthentication.ENTRA
    else func.AuthLevel.FUNCTION
)
