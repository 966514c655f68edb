"""The preview for a pull request: Markdown that shows foreign text as it is."""

from fleetpatch.model.fields import annotation
from fleetpatch.model.run import RunState, Tally
from fleetpatch.report.forecast import Forecast, WaveForecast
from fleetpatch.report.preview import ChangeSample, Preview
from fleetpatch.report.preview_markdown import markdown_lines
from tests.report.samples import AFTER, INFO, a_summary, a_target
from tests.report.test_preview import PLACES, TOTAL
from tests.values import replace

SUMMARY = a_summary(RunState.PLANNED, TOTAL, info=replace(INFO, description="See <the> plan."))
FORECAST = Forecast(100.0, 128, adaptive=True, sending=12.3, waves=WaveForecast((1, 1233)))
PREVIEW = Preview(
    SUMMARY, PLACES, [ChangeSample(a_target(), AFTER)], digest="sha256:9c8b7a", forecast=FORECAST
)


def test_it_reads_so() -> None:
    assert "\n".join(markdown_lines(PREVIEW)) == (
        "## relabel-ml-teams: 1,234 of 1,256 objects to patch\n"
        "\n"
        "See \\<the\\> plan.\n"
        "\n"
        "- **Plan digest** `sha256:0f1e2d`\n"
        "- **Run** `relabel-ml-teams-7f3a`\n"
        "- **Run digest** `sha256:9c8b7a`\n"
        "- **Cluster** prod-a at `https://10.0.0.1:6443`\n"
        "- **Cluster** prod-b at `https://10.0.0.2:6443`\n"
        "- **Waves** 2: 1, 1,233 objects\n"
        "- **Pace** at most 100/s and 128 in flight on each cluster; "
        "the pace adapts to the servers\n"
        "- **Expected** about 12.3 s of requests at 100/s\n"
        "\n"
        "| cluster | kind | namespace | to patch | unchanged | skipped |\n"
        "| --- | --- | --- | ---: | ---: | ---: |\n"
        "| prod-a | jobs.batch | team-a | 1,200 | 20 | 0 |\n"
        "| prod-a | jobs.batch | team-b | 3 | 0 | 0 |\n"
        "| prod-a | in all |  | 1,234 | 20 | 2 |\n"
        "| prod-b | tfjobs.kubeflow.org | team-a | 31 | 0 | 2 |\n"
        "| in all |  |  | 1,234 | 20 | 2 |\n"
        "\n"
        "<details open><summary>For example</summary>\n"
        "\n"
        "```diff\n"
        "# prod-a jobs.batch team-a/etl-0001\n"
        '+ annotation example.com/campaign: "q4"\n'
        '+ label cost-centre: "4711"\n'
        '- label team: "ml"\n'
        "```\n"
        "\n"
        "</details>\n"
        "\n"
        "Nothing was sent. To patch exactly these objects: "
        "`fleetpatch apply relabel-ml-teams-7f3a --digest sha256:9c8b7a`"
    )


def test_no_value_ends_the_block_or_the_table_that_it_is_in() -> None:
    path = annotation("note")
    target = a_target("a|b`c", before={path: "```\n</details>"})
    places = {("prod-a", "jobs.batch", "x|<b>y</b>"): Tally(pending=1)}

    lines = list(markdown_lines(Preview(SUMMARY, places, [ChangeSample(target, {path: "new"})])))

    assert "| prod-a | jobs.batch | x\\|\\<b\\>y\\</b\\> | 1 | 0 | 0 |" in lines
    (fence,) = {line for line in lines if line.startswith("````") and "diff" not in line}
    assert lines.count(fence) == 1
    assert "</details>" in lines[-3]


def test_a_plan_without_a_change_says_so() -> None:
    preview = Preview(a_summary(RunState.PLANNED, Tally(unchanged=5)), {})

    lines = list(markdown_lines(preview))

    assert lines[0] == "## relabel-ml-teams: nothing to do"
    assert lines[-1] == "Nothing to do: no object needs the patch."


def test_places_without_an_object_and_warnings_of_servers_are_quoted() -> None:
    summary = replace(SUMMARY, warnings={"batch/v1beta1 is deprecated": 2})
    preview = replace(PREVIEW, summary=summary, empty=[("prod-a", "", "team-x")])

    lines = list(markdown_lines(preview))

    assert "> Warning: nothing matches in namespace team-x of cluster prod-a" in lines
    assert "> Warning from the servers, 2 times: batch/v1beta1 is deprecated" in lines
