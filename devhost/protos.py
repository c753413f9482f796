"""The messages between host and worker, as far as a Python worker in the same process needs them.

Microsoft's worker library is handed its message classes by the host and builds answers with them. Nothing is put
on a wire here, so names and types are all that matters and field numbers are free. Names follow FunctionRpc.proto
(github.com/Azure/azure-functions-language-worker-protobuf); the numbers of enum members are the published ones,
since azure-functions passes them as integers.
"""

from types import SimpleNamespace
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, timestamp_pb2

PACKAGE = "devhost"

ENUMS = {
    "StatusResult.Status": "Failure Success Cancelled",
    "BindingInfo.Direction": "in out inout",
    "BindingInfo.DataType": "undefined string binary stream",
    "RpcHttpCookie.SameSite": "None Lax Strict ExplicitNone",
    "RpcRetryOptions.RetryStrategy": "exponential_backoff fixed_delay",
}

MESSAGES = {
    "NullableString": "value:string|",
    "NullableDouble": "value:double|",
    "NullableBool": "value:bool|",
    "NullableTimestamp": "value:.google.protobuf.Timestamp|",
    "RpcException": "source:string stack_trace:string message:string",
    "StatusResult": "status:StatusResult.Status result:string exception:RpcException",
    "WorkerMetadata": "runtime_name:string runtime_version:string worker_version:string worker_bitness:string "
    "custom_properties:string{}",
    "WorkerInitRequest": "host_version:string capabilities:string{} function_app_directory:string",
    "WorkerInitResponse": "capabilities:string{} worker_metadata:WorkerMetadata result:StatusResult",
    "FunctionsMetadataRequest": "function_app_directory:string",
    "BindingInfo": "type:string direction:BindingInfo.Direction data_type:BindingInfo.DataType",
    "RpcRetryOptions": "max_retry_count:int32 retry_strategy:RpcRetryOptions.RetryStrategy "
    "delay_interval:.google.protobuf.Duration minimum_interval:.google.protobuf.Duration "
    "maximum_interval:.google.protobuf.Duration",
    "RpcFunctionMetadata": "name:string function_id:string directory:string script_file:string entry_point:string "
    "language:string is_proxy:bool managed_dependency_enabled:bool bindings:BindingInfo{} raw_bindings:string[] "
    "retry_options:RpcRetryOptions properties:string{}",
    "FunctionMetadataResponse": "use_default_metadata_indexing:bool "
    "function_metadata_results:RpcFunctionMetadata[] result:StatusResult",
    "FunctionLoadRequest": "function_id:string metadata:RpcFunctionMetadata",
    "FunctionLoadResponse": "function_id:string result:StatusResult",
    "CollectionBytes": "bytes:bytes[]",
    "CollectionString": "string:string[]",
    "CollectionDouble": "double:double[]",
    "CollectionSInt64": "sint64:sint64[]",
    "TypedData": "string:string| json:string| bytes:bytes| stream:bytes| http:RpcHttp| int:sint64| double:double| "
    "collection_bytes:CollectionBytes| collection_string:CollectionString| collection_double:CollectionDouble| "
    "collection_sint64:CollectionSInt64|",
    "RpcHttpCookie": "name:string value:string domain:NullableString path:NullableString "
    "expires:NullableTimestamp secure:NullableBool http_only:NullableBool same_site:RpcHttpCookie.SameSite "
    "max_age:NullableDouble",
    "RpcHttp": "method:string url:string headers:string{} body:TypedData params:string{} query:string{} "
    "status_code:string enable_content_negotiation:bool cookies:RpcHttpCookie[]",
    "ParameterBinding": "name:string data:TypedData|",
    "RpcTraceContext": "trace_parent:string trace_state:string attributes:string{}",
    "RetryContext": "retry_count:int32 max_retry_count:int32 exception:RpcException",
    "InvocationRequest": "invocation_id:string function_id:string input_data:ParameterBinding[] "
    "trigger_metadata:TypedData{} trace_context:RpcTraceContext retry_context:RetryContext",
    "InvocationResponse": "invocation_id:string output_data:ParameterBinding[] return_value:TypedData "
    "result:StatusResult",
}
"""Message -> its fields, each `name:type`; after the type `[]` is a list, `{}` a map from string, `|` a member of the
message's one union. The union is named as the worker asks for it: `data` in TypedData, `rpc_data` in a binding."""

UNIONS = {"TypedData": "data", "ParameterBinding": "rpc_data"}

Field = descriptor_pb2.FieldDescriptorProto


def _set_type(field: Field, kind: str) -> None:
    if kind.startswith("."):
        field.type, field.type_name = Field.TYPE_MESSAGE, kind
    elif kind in MESSAGES or kind in ENUMS:
        field.type = Field.TYPE_MESSAGE if kind in MESSAGES else Field.TYPE_ENUM
        field.type_name = f".{PACKAGE}.{kind}"
    else:
        field.type = Field.Type.Value(f"TYPE_{kind.upper()}")


def _add_field(message: descriptor_pb2.DescriptorProto, number: int, spec: str) -> None:
    name, kind = spec.split(":")
    kind, marker = (kind[:-1], "|") if kind.endswith("|") else (kind, "")
    kind, marker = (kind[:-2], kind[-2:]) if kind.endswith(("[]", "{}")) else (kind, marker)
    field = message.field.add(
        name=name, number=number, label=Field.LABEL_REPEATED if marker in ("[]", "{}") else Field.LABEL_OPTIONAL
    )
    if marker == "{}":
        entry = message.nested_type.add(name="".join(part.capitalize() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        key, value = (
            entry.field.add(name=n, number=i, label=Field.LABEL_OPTIONAL) for n, i in (("key", 1), ("value", 2))
        )
        _set_type(key, "string")
        _set_type(value, kind)
        field.type, field.type_name = Field.TYPE_MESSAGE, f".{PACKAGE}.{message.name}.{entry.name}"
        return
    _set_type(field, kind)
    if marker == "|":
        if not message.oneof_decl:
            message.oneof_decl.add(name=UNIONS.get(message.name, "kind"))
        field.oneof_index = 0


def _build() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="devhost.proto",
        package=PACKAGE,
        syntax="proto3",
        dependency=[duration_pb2.DESCRIPTOR.name, timestamp_pb2.DESCRIPTOR.name],
    )
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, spec in enumerate(fields.split(), start=1):
            _add_field(message, number, spec)
        for path, members in ENUMS.items():
            owner, enum_name = path.split(".")
            if owner == name:
                enum = message.enum_type.add(name=enum_name)
                for value, member in enumerate(members.split()):
                    enum.value.add(name=member, number=value)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    found = {name: pool.FindMessageTypeByName(f"{PACKAGE}.{name}") for name in MESSAGES}
    return SimpleNamespace(**{name: message_factory.GetMessageClass(d) for name, d in found.items()})


protos: Any = _build()
"""Stands for the worker's `protos` module: one attribute per message class."""
