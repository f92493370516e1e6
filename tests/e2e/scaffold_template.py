"""What `setup` writes for AWS, by AWS's own rules: cfn-lint has nothing to say of it, neither before nor after SAM's
transformation, and its queues, worker and roles are made by moto, in both stages at once.

moto makes no distribution, no HTTP API and no alarm: the web half is left out there, and this is no proof of it. The rules
that no linter has are in the command `check`.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

REGION = "eu-west-1"
# Before the imports that read them. The keys are of nobody: nothing leaves this machine.
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

import boto3  # noqa: E402
import moto  # noqa: E402
from samtranslator.parser.parser import Parser  # noqa: E402
from samtranslator.translator.translator import Translator  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ROOT / "target/debug/chalice-http-toolkit"
CFN_LINT = Path(sys.executable).parent / "cfn-lint"
NAME = "my-site"
VARIANTS = ([], ["images"], ["free-plan"], ["images", "free-plan"], ["edge"], ["edge", "images"], ["schedules"])
CODE = {"Bucket": "code", "Key": "bootstrap.zip"}
DISTRIBUTION = "E2QWRUHAPOMQZL"
SECRET = "ASecretOfTheTestWithFortyCharacters12345"
WEB_ACL = f"arn:aws:wafv2:us-east-1:123456789012:global/webacl/{NAME}/1"
# What moto can make of it.
MADE = {
    "AWS::IAM::Role",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::SQS::Queue",
}

# It warns of measurements that it has not sent anywhere.
logging.getLogger("samtranslator").setLevel(logging.ERROR)


def check(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r} instead of {wanted!r}")


def set_up(folder, extras):
    """The folder of a new project."""
    options = [option for extra in extras for option in ("--extra", extra)]
    path = Path(folder) / "-".join(["of", *extras])
    path.mkdir()
    command = [COMMAND, "setup", "--name", NAME, "--path", path, "--region", REGION, *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path / NAME


def lint(template):
    command = [CFN_LINT, "--include-checks", "I", "W", "E", "--regions", REGION, "--", template]
    found = subprocess.run(command, capture_output=True, text=True)
    check(f"cfn-lint of {template.name}", (found.returncode, found.stdout + found.stderr), (0, ""))


def transformed(template):
    """What CloudFormation is given in place of a SAM template, as `sam deploy` has uploaded the program."""
    source = yaml_parse(template.read_text())
    source["Globals"]["Function"]["CodeUri"] = CODE
    values = {"Stage": "prod", "OriginSecret": SECRET, "WebAclArn": WEB_ACL}
    return Translator({}, Parser()).translate(source, values)


def roles_are_exact(template, keeps_pages, waits):
    """Each function has the role that is written down, and SAM has added nothing to one."""
    resources = template["Resources"].values()
    roles = [resource["Properties"] for resource in resources if resource["Type"] == "AWS::IAM::Role"]
    check("how many roles there are", len(roles), 3 if waits else 2)
    passing = [each for role in roles for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]
    passing = [each["Resource"] for each in passing if each["Action"] == "iam:PassRole"]
    check("which role may be passed", passing, [{"Fn::GetAtt": ["SchedulerRole", "Arn"]}] * (2 if waits else 0))
    check("which may purge", sum("cloudfront:CreateInvalidation" in json.dumps(role) for role in roles), int(keeps_pages))
    for role in roles:
        check("managed policies", role.get("ManagedPolicyArns"), None)
        for statement in (each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]):
            purges = statement["Action"] == "cloudfront:CreateInvalidation"
            is_named = purges or "scheduler:CreateSchedule" in statement["Action"]
            check("what a statement is about", list(statement["Resource"]), ["Fn::Sub" if is_named else "Fn::GetAtt"])
            check("the distribution", "/${Distribution}" in json.dumps(statement["Resource"]), purges)
            check("a wildcard", "*" in json.dumps(statement["Action"]), False)


def queue_half(template):
    """The part that moto makes. Of what is left out only the distribution is referred to: its id is given."""
    resources = {
        name: resource
        for name, resource in template["Resources"].items()
        if resource["Type"] in MADE and "Condition" not in resource
    }
    parameters = template["Parameters"] | {"Distribution": {"Type": "String", "Default": DISTRIBUTION}}
    return {"Parameters": parameters, "Conditions": template["Conditions"], "Resources": resources}


def deploy(template, stage):
    cloud = boto3.client("cloudformation")
    values = {"Stage": stage, "OriginSecret": SECRET, "WebAclArn": WEB_ACL}
    values = {key: value for key, value in values.items() if key in template["Parameters"]}
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    stack = f"{NAME}-{stage}"
    cloud.create_stack(StackName=stack, TemplateBody=json.dumps(template), Parameters=parameters)
    check(f"the stack {stack}", cloud.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"], "CREATE_COMPLETE")
    made = cloud.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    check("what was made", {each["LogicalResourceId"] for each in made}, set(template["Resources"]))
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in made}


def attributes(url):
    return boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def worker_alone_purges(made, keeps_pages):
    """It knows the distribution; the site does not, which would be a circle."""
    functions = boto3.client("lambda")
    ids = [
        functions.get_function_configuration(FunctionName=made[name])["Environment"]["Variables"].get("DISTRIBUTION_ID")
        for name in ("WorkerFunction", "WebFunction")
    ]
    check("who knows the distribution", ids, [DISTRIBUTION if keeps_pages else None, None])


def queues_work(template, stage, keeps_pages):
    made = deploy(template, stage)
    sqs, functions = boto3.client("sqs"), boto3.client("lambda")
    tasks, dead = f"{NAME}-{stage}-tasks.fifo", f"{NAME}-{stage}-dead-letters.fifo"
    url = sqs.get_queue_url(QueueName=tasks)["QueueUrl"]
    queue, letters = attributes(url), attributes(sqs.get_queue_url(QueueName=dead)["QueueUrl"])
    redrive = json.loads(queue["RedrivePolicy"])
    check("a queue of tasks", (queue["FifoQueue"], letters["FifoQueue"]), ("true", "true"))
    check("its dead letters", redrive["deadLetterTargetArn"], letters["QueueArn"])
    check("its receives", int(redrive["maxReceiveCount"]), 100)

    worker = functions.get_function_configuration(FunctionName=made["WorkerFunction"])
    site = functions.get_function_configuration(FunctionName=made["WebFunction"])
    worker_alone_purges(made, keeps_pages)
    check("the visibility timeout", int(queue["VisibilityTimeout"]), 6 * worker["Timeout"])
    for function in (worker, site):
        variables = function["Environment"]["Variables"]
        check("the stage", variables["STAGE"], stage)
        check("the queue's URL", variables["QUEUE_URL_TASKS"], url)
        check("the secret", variables["ORIGIN_SECRET"], SECRET)
    [source] = functions.list_event_source_mappings(FunctionName=made["WorkerFunction"])["EventSourceMappings"]
    check("the worker's queue", source["EventSourceArn"], queue["QueueArn"])
    check("how many tasks it takes", source["BatchSize"], 10)

    # One task though it is sent twice, as a post may be. The worker is not to take it.
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    for _ in range(2):
        sqs.send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="a", MessageDeduplicationId="once")
    check("tasks in the queue", len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]), 1)


def stages_are_configured(project):
    """`sam deploy --config-env` knows both, each with a stack of its own."""
    config = tomllib.loads((project / "samconfig.toml").read_text())
    for stage in ("dev", "prod"):
        deployment = config[stage]["deploy"]["parameters"]
        check("the stage's stack", deployment["stack_name"], f"{NAME}-{stage}")
        check("the stage", deployment["parameter_overrides"], f"Stage={stage}")
        check("the region", deployment["region"], REGION)


def schedules_fire(project):
    """What `schedules` writes: SAM makes a schedule of it that calls the worker at the minute, with its own time in the event."""
    template = project / "template.yaml"
    schedule = {"name": "report", "expression": "cron(0 3 ? * 2#1 *)", "time_zone": "Europe/Berlin"}
    printed = json.dumps({"schedules": [schedule]})
    subprocess.run([COMMAND, "schedules", template], check=True, stdout=subprocess.DEVNULL, input=printed, text=True)
    lint(template)
    resources = transformed(template)["Resources"]
    [made] = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Scheduler::Schedule"]
    said = (made["ScheduleExpression"], made["ScheduleExpressionTimezone"], made["FlexibleTimeWindow"])
    check("the schedule", said, (schedule["expression"], schedule["time_zone"], {"Mode": "OFF"}))
    check("whom it calls", made["Target"]["Arn"], {"Fn::GetAtt": ["WorkerFunction", "Arn"]})
    event = {"chalice-http-toolkit": "schedule", "name": "report", "time": "<aws.scheduler.scheduled-time>"}
    check("what it says", json.loads(made["Target"]["Input"]), event)


@contextlib.contextmanager
def emulator():
    # A function is not run there, which would take Docker.
    with moto.mock_aws(config={"lambda": {"use_docker": False}}):
        where = {"LocationConstraint": REGION}
        store = boto3.client("s3")
        store.create_bucket(Bucket=CODE["Bucket"], CreateBucketConfiguration=where)
        store.put_object(**CODE, Body=b"a program")
        yield


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for extras in VARIANTS:
            project = set_up(folder, extras)
            template = project / "template.yaml"
            lint(template)
            after = transformed(template)
            output = project / "transformed.json"
            output.write_text(json.dumps(after, indent=1))
            lint(output)
            roles_are_exact(after, "edge" in extras, "schedules" in extras)
            stages_are_configured(project)
            if "schedules" in extras:
                schedules_fire(project)
            with emulator():
                for stage in ("dev", "prod"):
                    queues_work(queue_half(after), stage, "edge" in extras)
            print(f"{NAME} {' '.join(extras) or 'as it is'}: {len(after['Resources'])} resources")
