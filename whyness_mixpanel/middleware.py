"""`ContextMiddleware`: events that are sent in a request have its page, campaign, address and browser."""

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from whyness_mixpanel.context import Scope
from whyness_mixpanel.request_facts import RequestFacts

_Answer = HttpResponseBase | Awaitable[HttpResponseBase]


class ContextMiddleware:
    """Gives the request to the events that are sent until the answer is made. Sync and async.

    Nothing of the request is read before the first event.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], _Answer]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> _Answer:
        """Answer the request."""
        if self._is_async:
            return self._answer(request)
        with Scope({}, RequestFacts(request)):
            return self._get_response(request)

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        with Scope({}, RequestFacts(request)):
            return await cast("Awaitable[HttpResponseBase]", self._get_response(request))
