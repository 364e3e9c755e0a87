# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The front of the emulated AWS: who calls what, is it valid, who answers.

A WSGI application around moto's. For each request it finds service, operation, region and caller, decodes and checks
the parameters by botocore's model, and hands them to the emulator's own handler or, where there is none, to moto.
moto's state isn't made for concurrent requests, so one lock is held while a request is answered; reading from and
writing to the network happens outside of it.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
import socket
import struct
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

import botocore.parsers
import moto.backends
import moto.core.responses
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.base_backend import BackendDict
from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import NotFound, get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import HTTPException

from rehearsal.emulator import wire
from rehearsal.emulator.authorization import Authority
from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.faults import Broken, Faults
from rehearsal.emulator.refusals import refusal, unreadable
from rehearsal.emulator.registry import HANDLERS, Call, Handler, Later
from rehearsal.emulator.resource_arns import Asked
from rehearsal.emulator.services import cloudtrail
from rehearsal.emulator.strict import check, check_output
from rehearsal.emulator.world import Principal, World

#: Names in the signature's scope that aren't botocore's names of the service.
SIGNING_NAMES: dict[str, str] = {
    "access-analyzer": "accessanalyzer",
    "aps": "amp",
    "airflow": "mwaa",
    "cassandra": "keyspaces",
    "elasticfilesystem": "efs",
    "elasticmapreduce": "emr",
    "monitoring": "cloudwatch",
    "sso": "sso-admin",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
    "resource-groups": "resource-groups",
    "servicequotas": "service-quotas",
}

#: Operations that need no signature.
UNSIGNED = frozenset({"AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"})

_CREDENTIAL = re.compile(r"Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request")
_ADMIN = "/rehearsal/"

#: For a socket that is closed without lingering, which sends RST instead of FIN.
AT_ONCE = struct.pack("ii", 1, 0)

Reply = tuple[int, list[tuple[str, str]], bytes]
Start = Callable[[str, list[tuple[str, str]]], Any]

# Moto lists its own directory and walks the members of a response class for each request.
_MOTO_MODULES = tuple(moto.backends.list_of_moto_modules())
moto.backends.list_of_moto_modules = lambda: _MOTO_MODULES
moto.core.responses.method_names_from_class = functools.cache(moto.core.responses.method_names_from_class)


def _backend_app(service: str) -> Any:
    """Moto's application for a service; the backends that moto makes only to read the URLs off them go again."""
    before = {id(backends): set(backends.get(DEFAULT_ACCOUNT_ID, ())) for backends in BackendDict._instances}
    app = create_backend_app(service)
    for backends in list(BackendDict._instances):
        for region in set(backends.get(DEFAULT_ACCOUNT_ID, ())) - before.get(id(backends), set()):
            backends[DEFAULT_ACCOUNT_ID].pop(region)
    return app


@functools.cache
def _parser(protocol: str) -> Any:
    return botocore.parsers.create_parser(protocol)


class Gateway:
    """The WSGI application that stands for every AWS endpoint."""

    def __init__(
        self, world: World, endpoint: str = "", *, check_responses: bool = False, enforcing: bool = False
    ) -> None:
        self.world = world
        self.endpoint = endpoint
        self.check_responses = check_responses
        self.faults = Faults()
        self.authority = Authority(world, enforcing=enforcing)
        self.moto = DomainDispatcherApplication(_backend_app)
        self.admin: dict[str, Callable[[str, dict[str, list[str]]], Any]] = {}
        self.folders: dict[str, Callable[[str, str], Reply]] = {}

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        body = request.get_data(cache=True, parse_form_data=False)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.pop("wsgi.input_terminated", None)
        path = environ.get("PATH_INFO", "")
        if path.startswith(_ADMIN):
            status, headers, out = self._administer(path[len(_ADMIN) :], request)
        else:
            try:
                status, headers, out = self._answer(environ, request, body)
            except Broken as broken:
                return self._break_off(environ, start_response, broken)
        if not any(name.lower() == "content-length" for name, _ in headers):
            headers = [*headers, ("Content-Length", str(len(out)))]  # else it would go out in chunks, a packet each
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
        start_response(f"{status} {phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [out]

    @staticmethod
    def _break_off(environ: dict[str, Any], start_response: Start, broken: Broken) -> Iterator[bytes]:
        """End the connection instead of an answer, or in the middle of one."""
        connection: socket.socket = environ["werkzeug.socket"]
        if broken.part is not None:
            status, headers, out = broken.part
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            start_response(f"{status} Unknown", [*headers, ("Content-Length", str(len(out)))])
            yield out[: len(out) // 2]
        if broken.abruptly:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        connection.shutdown(socket.SHUT_RD)  # the server reads no further request from it
        raise ConnectionAbortedError(str(broken))

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One request's time with the world; what was on its way when the connection was cut doesn't get it."""
        with self.world.lock:
            self.faults.permit()
            yield

    def _administer(self, name: str, request: Request) -> Reply:
        folder, slash, path = name.partition("/")
        if slash and folder in self.folders:
            return self.folders[folder](request.method, path)
        handler = self.admin.get(name)
        if handler is None:
            return 404, [("Content-Type", "application/json")], b'{"error": "no such page"}'
        try:
            result = handler(request.method, parse_qs(request.query_string.decode()))
        except ValueError as error:
            return 400, [("Content-Type", "application/json")], json.dumps({"error": str(error)}).encode()
        return 200, [("Content-Type", "application/json")], json.dumps(result).encode()

    def _answer(self, environ: dict[str, Any], request: Request, body: bytes) -> Reply:
        began = time.time()
        query = parse_qs(request.query_string.decode("utf-8", "replace"), keep_blank_values=True)
        key, region, signing_name = _scope(request, query)
        service = _service(signing_name, request, query, body)
        operation = "?"
        principal: Principal | None = None
        written: cloudtrail.Written | None = None
        try:
            found = _operation(service, request, query, body)
            if found is None:
                principal = self._caller(key, service, "")
                self.authority.check_unknown(service, principal)
                with self._turn():
                    reply = self._ask_moto(environ, principal.account, body)
                self._record(began, service, "?", principal, region, reply)
                return reply
            model, protocol, uri = found
            operation = str(model.name)
            principal = self._caller(key, service, operation)
            caller = principal
            written = cloudtrail.Written(model, caller, region, request.headers.get("User-Agent", ""))
            noted = written

            def carry_out() -> Reply:
                return self._dispatch(environ, request, body, query, model, protocol, uri, caller, region, noted)

            try:
                reply = self.faults.around(str(model.service_model.service_name), operation, protocol, carry_out)
            except AwsError as error:
                raise _Refused(str(model.service_model.service_name), model, protocol, error) from None
        except Broken as broken:
            self.world.record(began, service, operation, principal, region, 0, f"broken: {broken}")
            if written is not None and written.answer is not None:  # it had its effect
                cloudtrail.note(self.world, began, written)
            raise
        except _Refused as refused:
            if written is not None:
                written.error = refused.error
            reply = _serialize(refused.service, refused.model, refused.protocol, refused.error)
        except AwsError as error:
            reply = self._plain_error(service, operation, request, error)
        except Exception as error:  # noqa: BLE001 - a fault of the emulator is answered as one, and shown
            traceback.print_exc()
            message = f"{type(error).__name__}: {error}"
            reply = 500, [("Content-Type", "text/plain")], message.encode()
        self._record(began, service, operation, principal, region, reply)
        if written is not None:
            cloudtrail.note(self.world, began, written)
        return reply

    def _record(
        self, began: float, service: str, operation: str, caller: Principal | None, region: str, reply: Reply
    ) -> None:
        error = ""
        if reply[0] >= HTTPStatus.BAD_REQUEST:
            names = {key.lower(): value for key, value in reply[1]}
            error = names.get("x-amzn-errortype", "")
            if not error:
                match = re.search(rb"<Code>([^<]+)</Code>", reply[2]) or re.search(
                    rb'"__type": ?"(?:[^"#]*#)?([^"]+)"', reply[2]
                )
                error = match.group(1).decode() if match else str(reply[0])
        self.world.record(began, service, operation, caller, region, reply[0], error)

    def _caller(self, key: str | None, service: str, operation: str) -> Principal:
        if key is None:
            if operation in UNSIGNED or service == "s3" or not service:
                return next(iter(self.world.credentials.values()))
            raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", status=403)
        principal = self.world.credentials.get(key) or _iam_user(key, self.world.accounts)
        if principal is None:
            code = "AuthFailure" if service == "ec2" else "InvalidClientTokenId"
            if service == "s3":
                code = "InvalidAccessKeyId"
            message = "The security token included in the request is invalid."
            raise AwsError(code, message, status=401 if service == "ec2" else 403)
        if principal.account in self.world.suspended:
            raise AwsError("AccessDeniedException", f"Account {principal.account} is suspended", status=403)
        return principal

    def _dispatch(
        self,
        environ: dict[str, Any],
        request: Request,
        body: bytes,
        query: dict[str, list[str]],
        model: OperationModel,
        protocol: str,
        uri: dict[str, Any],
        principal: Principal,
        region: str,
        written: cloudtrail.Written,
    ) -> Reply:
        service = str(model.service_model.service_name)
        operation = str(model.name)
        try:
            decoded = wire.decode(protocol, model.input_shape, wire.Wire(query, request.headers, body, uri))
        except wire.Unreadable as error:
            raise _Refused(service, model, protocol, unreadable(service, protocol, str(error))) from error
        problems = decoded.problems
        wrong = {problem.path for problem in problems}
        if model.input_shape is not None:
            problems = problems + [p for p in check(service, model.input_shape, decoded.params) if p.path not in wrong]
        if problems:
            raise _Refused(service, model, protocol, refusal(service, protocol, problems))
        written.params = decoded.params
        asked = Asked(self.world, service, operation, decoded.params, principal.account, region, _partition(region))
        try:
            with self.world.lock:
                self.authority.check(asked, principal)
        except AwsError as error:
            raise _Refused(service, model, protocol, error) from None

        reply = self._carry_out(environ, body, decoded.params, model, protocol, principal, region)
        if written.counts():
            try:
                written.answer = _understood(model, protocol, reply)
            except (AwsError, botocore.parsers.ResponseParserError) as error:
                written.error = error
        return reply

    def _carry_out(
        self,
        environ: dict[str, Any],
        body: bytes,
        params: dict[str, Any],
        model: OperationModel,
        protocol: str,
        principal: Principal,
        region: str,
    ) -> Reply:
        service, operation = str(model.service_model.service_name), str(model.name)
        handler = HANDLERS.get((service, operation))
        if handler is not None:

            def forward(edit: Callable[[dict[str, Any]], dict[str, Any]] | None) -> dict[str, Any]:
                sent = body
                if edit is not None and protocol == "json":
                    sent = json.dumps(edit(json.loads(body))).encode()
                elif edit is not None:
                    sent = urlencode(edit(dict(parse_qsl(body.decode(), keep_blank_values=True)))).encode()
                return _understood(model, protocol, self._ask_moto(environ, principal.account, sent))

            call = Call(
                self.world,
                service,
                operation,
                principal.account,
                region,
                principal,
                params,
                self.endpoint,
                forward,
            )
            return self._handle(handler, call, model, protocol)
        with self._turn():
            reply = self._ask_moto(environ, principal.account, body)
        if reply[0] >= HTTPStatus.INTERNAL_SERVER_ERROR and b"NotImplementedError" in reply[2]:
            missing = AwsError("NotImplemented", f"The emulator has no {service} {operation} yet.", status=501)
            raise _Refused(service, model, protocol, missing)
        if self.check_responses and reply[0] < HTTPStatus.BAD_REQUEST and model.output_shape is not None:
            self._look(service, operation, model, _understood(model, protocol, reply))
        return reply

    def _handle(self, handler: Handler, call: Call, model: OperationModel, protocol: str) -> Reply:
        """A handler's answer; one that has nothing to say yet is asked again, and the lock is free meanwhile."""
        while True:
            try:
                with self._turn():
                    result = handler(call) or {}
                    if self.check_responses and model.output_shape is not None:
                        self._look(call.service, call.operation, model, result)
                    return _serialize(call.service, model, protocol, result)
            except Later as later:
                time.sleep(later.seconds)
            except AwsError as error:
                raise _Refused(call.service, model, protocol, error) from None
            except ServiceException as error:  # from moto's own state, asked directly
                wrapped = AwsError(error.code, error.message)
                raise _Refused(call.service, model, protocol, wrapped) from None
            except HTTPException as error:
                wrapped = AwsError(
                    getattr(error, "error_type", type(error).__name__),
                    getattr(error, "message", str(error)),
                    status=error.code,
                )
                raise _Refused(call.service, model, protocol, wrapped) from None

    def _look(self, service: str, operation: str, model: OperationModel, result: dict[str, Any]) -> None:
        for problem in check_output(model.output_shape, result):
            text = f"{service} {operation}: {problem.plain}: {problem.kind} {problem.constraint}".strip()
            self.world.odd_responses[text] = self.world.odd_responses.get(text, 0) + 1

    def _ask_moto(self, environ: dict[str, Any], account: str, body: bytes) -> Reply:
        fresh = {key: value for key, value in environ.items() if not key.startswith(("werkzeug.request", "flask."))}
        fresh["wsgi.input"] = io.BytesIO(body)
        fresh["CONTENT_LENGTH"] = str(len(body))
        if account:
            fresh["HTTP_X_MOTO_ACCOUNT_ID"] = account
        captured: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], Any]:
            captured[:] = [status, headers]
            return lambda data: None

        try:
            output = self.moto(fresh, start)
        except NotImplementedError as error:
            return 501, [("Content-Type", "text/plain")], f"NotImplementedError: {error}".encode()
        try:
            content = b"".join(output)
        finally:
            if hasattr(output, "close"):
                output.close()
        return int(captured[0].split(" ", 1)[0]), list(captured[1]), content

    def _plain_error(self, service: str, operation: str, request: Request, error: AwsError) -> Reply:
        try:
            model = get_service_model(service or "sts")
            protocol = determine_request_protocol(model, request.content_type)
            known = operation if operation != "?" else model.operation_names[0]
            return _serialize(service, model.operation_model(known), protocol, error)
        except Exception:  # noqa: BLE001 - any service at all may be asked for; this answer is the last resort
            return error.status or 400, [("Content-Type", "text/plain")], str(error).encode()


class _Refused(Exception):
    """A request that isn't carried out, with all that it takes to say so in the protocol's own form."""

    def __init__(self, service: str, model: OperationModel, protocol: str, error: AwsError) -> None:
        super().__init__(str(error))
        self.service, self.model, self.protocol, self.error = service, model, protocol, error


def _serialize(service: str, model: OperationModel, protocol: str, result: Any) -> Reply:
    serializer = get_serializer_class(service, protocol)(operation_model=model)
    made = serializer.serialize(result)
    status = int(made["status_code"])
    if isinstance(result, AwsError) and result.status is not None:
        status = result.status
    content: Any = made["body"]
    headers = [(str(name), str(value)) for name, value in made["headers"].items()]
    headers.append(("x-amzn-RequestId", f"{time.time_ns():032x}"))
    return status, headers, content.encode() if isinstance(content, str) else content


def _partition(region: str) -> str:
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov") else "aws"


def _understood(model: OperationModel, protocol: str, reply: Reply) -> dict[str, Any]:
    """Moto's reply as botocore's client would read it; errors are raised."""
    status, headers, body = reply
    lower = {name.lower(): value for name, value in headers}
    parser = _parser(protocol)
    parsed = parser.parse({"status_code": status, "headers": lower, "body": body}, model.output_shape)
    parsed.pop("ResponseMetadata", None)
    if status >= HTTPStatus.BAD_REQUEST:
        error = parsed.get("Error", {})
        raise AwsError(error.get("Code") or str(status), error.get("Message") or "", status=status)
    return dict(parsed)


def _scope(request: Request, query: dict[str, list[str]]) -> tuple[str | None, str, str]:
    """(access key id, region, signing name) from the header or, in presigned URLs, from the query string."""
    match = _CREDENTIAL.search(request.headers.get("Authorization", ""))
    if match is None and "X-Amz-Credential" in query:
        match = _CREDENTIAL.search("Credential=" + query["X-Amz-Credential"][0])
    if match is None:
        return None, "us-east-1", ""
    return match.group(1), match.group(3), match.group(4)


def _service(signing_name: str, request: Request, query: dict[str, list[str]], body: bytes) -> str:
    if signing_name == "elasticloadbalancing":
        return "elb" if b"Version=2012-06-01" in body else "elbv2"
    if signing_name == "s3" and request.path.startswith("/v20180820/"):
        return "s3control"
    if signing_name == "ses":
        return "sesv2" if request.path.startswith("/v2/") else "ses"
    if signing_name == "dynamodb" and "Streams" in request.headers.get("X-Amz-Target", ""):
        return "dynamodbstreams"
    if not signing_name:
        return "sts" if b"Action=AssumeRoleWith" in body or "Action" in query else ""
    return SIGNING_NAMES.get(signing_name, signing_name)


def _operation(
    service: str, request: Request, query: dict[str, list[str]], body: bytes
) -> tuple[OperationModel, str, dict[str, Any]] | None:
    """The operation's model, its protocol and the labels of its URI. None where it can't be told."""
    try:
        model = get_service_model(service)
    except Exception:  # noqa: BLE001 - botocore's loader raises several kinds for a service it doesn't know
        return None
    protocol = determine_request_protocol(model, request.content_type)
    if protocol in ("query", "ec2"):
        name = query.get("Action", [""])[0]
        if not name:
            match = re.search(rb"(?:^|&)Action=([A-Za-z0-9]+)", body)
            name = match.group(1).decode() if match else ""
        if name not in model.operation_names:
            raise AwsError("InvalidAction", f"The action {name} is not valid for this web service.")
        return model.operation_model(name), protocol, {}
    if protocol == "json":
        name = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if name not in model.operation_names:
            raise AwsError("UnknownOperationException", f"The operation {name} is unknown.")
        return model.operation_model(name), protocol, {}
    try:
        operation, uri = get_service_router(service).match(request)
    except (NotFound, NotImplementedError):
        return None
    return operation, protocol, dict(uri)


def _iam_user(key: str, accounts: set[str]) -> Principal | None:
    """The IAM user whose access key this is, if moto's IAM has made it."""
    from moto.iam.models import iam_backends  # noqa: PLC0415 - moto's services are loaded when first used

    for account in accounts:
        backend = iam_backends[account]["aws"]
        user = backend.get_user_from_access_key_id(key)
        if user is not None:
            return Principal(account, user.arn, user.id, access_key=key)
    return None
