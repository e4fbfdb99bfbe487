"""dlt to SQLite, as its documentation has it: rows merged by key, or, with STRATEGY=scd2, a history that also ends who is gone. Nested
values are kept as JSON, and tables are loaded one after the other, since SQLite takes one writer; without a primary key in the database a
merge would compare each row with each. DB, URL and KEY come from the environment."""
import os

os.environ |= {"LOAD__WORKERS": "1", "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
import dlt
import orjson
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import APIKeyAuth
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

client = RESTClient(
    os.environ["URL"], data_selector="items",
    auth=APIKeyAuth(name="X-Api-Key", api_key=os.environ["KEY"], location="header"),
    paginator=JSONResponseCursorPaginator(cursor_path="pagination.nextCursor", cursor_param="cursor"))


def read(response, *_, **__):
    """By orjson: Python's own json is slower, and keeps large numbers, which dlt then can't write."""
    response.json = lambda **_: orjson.loads(response.content)
    return response


strategy = os.environ.get("STRATEGY", "delete-insert")


@dlt.resource(name="customers", primary_key="customerId", max_table_nesting=0,
              write_disposition={"disposition": "merge", "strategy": strategy})
def customers():
    yield from client.paginate("customers", params={"limit": 1000}, hooks={"response": [read]})


database = os.environ["DB"]
pipeline = dlt.pipeline("customers", pipelines_dir=database + ".dlt", dataset_name="main",
                        destination=dlt.destinations.sqlalchemy(
                            # A history has several rows of a customer.
                            f"sqlite:///{database}", create_primary_keys=strategy != "scd2"))
pipeline.run(customers()).raise_on_failed_jobs()
