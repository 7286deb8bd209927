"""The part of `aiohttp.web` that the server needs: the whole has a command line and more, for 0.4 MB of memory."""

from aiohttp.web_app import Application
from aiohttp.web_exceptions import HTTPBadRequest, HTTPException, HTTPNotFound
from aiohttp.web_middlewares import middleware
from aiohttp.web_request import BaseRequest, Request
from aiohttp.web_response import Response, StreamResponse, json_response
from aiohttp.web_runner import AppRunner

__all__ = (
    "AppRunner",
    "Application",
    "BaseRequest",
    "HTTPBadRequest",
    "HTTPException",
    "HTTPNotFound",
    "Request",
    "Response",
    "StreamResponse",
    "json_response",
    "middleware",
)
