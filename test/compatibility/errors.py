"""Failed calls, as a program for a generated client catches them."""
# Most such programs have no types.
# mypy: ignore-errors

import json
import os

import oxide
from oxide.exceptions import (
    ApiException,
    BadRequestException,
    ForbiddenException,
    NotFoundException,
    OpenApiException,
    ServiceException,
    UnauthorizedException,
)
from oxide.rest import ApiException as SameApiException

configuration = oxide.Configuration(host=os.environ["OXIDE_HOST"])
api_client = oxide.ApiClient(configuration, "Authorization", "Bearer " + os.environ["OXIDE_TOKEN"])
api_instance = oxide.ImagesApi(api_client)
project = oxide.NameOrId("my-project")
source = oxide.ImageSource(id=os.environ["SNAPSHOT_ID"], type="snapshot")
body = oxide.ImageCreate(name="taken", description="", os="b", version="c", source=source)
api_instance.image_create(body, project=project)


def attempt(call):
    """Print how a call fails."""
    try:
        call()
    except ApiException as e:
        print(type(e).__mro__.index(ApiException) > 0, isinstance(e, OpenApiException), e.status, e.reason)
        print(e.data.error_code, e.data.message, e.data.request_id == e.headers["X-Request-Id"])
        print(isinstance(e.data, oxide.Error), json.loads(e.body)["message"] == e.data.message)
        print(e.headers.get("content-type"), str(e.status) in str(e))
        for cls in (
            BadRequestException,
            UnauthorizedException,
            ForbiddenException,
            NotFoundException,
            ServiceException,
        ):
            if isinstance(e, cls):
                print(cls.__name__)


print(SameApiException is ApiException is oxide.ApiException)
attempt(lambda: api_instance.image_view(oxide.NameOrId("nowhere"), project=project))
attempt(lambda: api_instance.image_view(oxide.NameOrId("taken"), project=oxide.NameOrId("nowhere")))
attempt(lambda: api_instance.image_create(body, project=project))
attempt(lambda: api_instance.image_create(body, project=oxide.NameOrId("other-project")))
attempt(lambda: api_instance.image_list(page_token="none-of-yours"))
attempt(lambda: api_instance.image_delete_with_http_info(oxide.NameOrId("nowhere")))
attempt(lambda: api_instance.image_demote(oxide.NameOrId("nowhere"), project))

nobody = oxide.ImagesApi(oxide.ApiClient(configuration))
attempt(lambda: nobody.image_list())
viewer = oxide.ApiClient(
    configuration, header_name="Authorization", header_value="Bearer " + os.environ["VIEWER_TOKEN"]
)
attempt(lambda: oxide.ImagesApi(viewer).image_create(body, project=project))

for arguments in ({"limit": 0}, {"limit": 2**40 * -1}, {"sort_by": "time"}):
    try:
        api_instance.image_list(**arguments)
        print("taken")
    except ValueError as e:
        print(isinstance(e, ValueError), isinstance(e, ApiException))
