"""MCP's own SDK for Python at /mcp: mcp_python.py URL TOKEN DATASET, a line of JSON each finding."""
import asyncio
import json
import sys

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

url, token, dataset = sys.argv[1:4]
headers = {"authorization": f"Bearer {token}"} if token else {}


def tell(**found):
    print(json.dumps(found), flush=True)


async def look(mode):
    transport = streamable_http_client(url, http_client=create_mcp_http_client(headers=headers))
    async with Client(transport, mode=mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        answer = await client.call_tool("query_sql", {"sql": f"SELECT name FROM {dataset} ORDER BY id"})
        failed = await client.call_tool("query_sql", {"sql": "SELECT gone"})
        prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
        content = (await client.read_resource(f"lakehouse://datasets/{dataset}")).contents[0]
        return {
            "tools": tools,
            "rows": answer.structured_content["rows"],
            "refused": failed.is_error and "sql_error" in failed.content[0].text,
            "prompts": prompts,
            "resource": json.loads(content.text)["manifest"]["name"] == dataset,
        }


async def main():
    # The protocol of 2025, with a session, and that of 2026 where the server has it.
    found = await look("legacy")
    tell(**found, same=await look("auto") == found)


asyncio.run(main())
