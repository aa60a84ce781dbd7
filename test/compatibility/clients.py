"""Configurations, clients, headers and the two other forms, as a program for a generated client uses them."""
# Most such programs have no types.
# mypy: ignore-errors

import copy
import json
import os

import oxide
from oxide.api.images_api import ImagesApi
from oxide.api_client import ApiClient
from oxide.api_response import ApiResponse
from oxide.configuration import Configuration

configuration = Configuration()
configuration.host = os.environ["OXIDE_HOST"]
configuration.access_token = os.environ["OXIDE_TOKEN"]
configuration.verify_ssl = True
configuration.connection_pool_maxsize = 4
configuration.retries = 2
print(configuration.host == os.environ["OXIDE_HOST"], configuration.access_token == os.environ["OXIDE_TOKEN"])
print(
    configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file, configuration.assert_hostname
)
print(configuration.tls_server_name, configuration.proxy, configuration.connection_pool_maxsize)
print(isinstance(configuration.to_debug_report(), str))
again = copy.deepcopy(configuration)
print(again is configuration, again.host == configuration.host, again.connection_pool_maxsize)

Configuration.set_default(configuration)
print(Configuration.get_default() is configuration, Configuration.get_default().host == configuration.host)
client = ApiClient.get_default()
print(client is ApiClient.get_default(), client.configuration is configuration)
client.set_default_header("Authorization", "Bearer " + os.environ["OXIDE_TOKEN"])
client.default_headers["X-Job"] = "nightly"
client.user_agent = "nightly/1.0"
print(client.user_agent, client.default_headers["User-Agent"], "X-Job" in client.default_headers)

images = ImagesApi()
print(images.api_client is client)
source = oxide.ImageSource(id=os.environ["SNAPSHOT_ID"], type="snapshot")
body = oxide.ImageCreate(name="alpine", description="", os="alpine", version="3", source=source)
project = oxide.NameOrId("my-project")

response = images.image_create_with_http_info(body, project=project)
print(type(response) is ApiResponse, response.status_code, response.data.name)
print(json.loads(response.raw_data)["name"], response.headers["content-type"])
response = images.image_list_with_http_info(project=project, limit=5, _request_timeout=30)
print(
    response.status_code, [image.name for image in response.data.items], isinstance(response.raw_data, bytes)
)
response = images.image_view_with_http_info(
    oxide.NameOrId("alpine"), project=project, _request_timeout=(5, 30)
)
print(response.status_code, response.data.name)
response = images.image_promote_with_http_info(
    oxide.NameOrId("alpine"), project=project, _headers={"X-Why": "release"}
)
print(response.status_code, response.data.project_id)
response = images.image_demote_with_http_info(oxide.NameOrId("alpine"), project)
print(response.status_code, response.data.project_id is None)

raw = images.image_view_without_preload_content(oxide.NameOrId("alpine"), project=project)
print(raw.status, raw.reason, raw.headers["Content-Type"], json.loads(raw.data)["name"])
raw = images.image_list_without_preload_content(project=project)
print(raw.status, raw.json()["items"][0]["name"])
raw = images.image_view_without_preload_content(oxide.NameOrId("nowhere"), project=project)
print(raw.status, json.loads(raw.read())["error_code"])
raw = images.image_list_without_preload_content(project=project)
print(json.loads(b"".join(raw.stream(100)))["items"][0]["name"])
raw.release_conn()

response = images.image_delete_with_http_info(oxide.NameOrId("alpine"), project=project)
print(response.status_code, response.data, response.raw_data)
with oxide.ApiClient() as default_client:
    print(default_client.configuration is configuration)
