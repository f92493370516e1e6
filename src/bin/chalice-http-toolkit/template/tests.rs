//! What `setup` writes has no finding; and each rule finds what it is for, and no other rule does.

use std::collections::BTreeSet;

use super::{
    fragments::{FORWARD_ACCEPT, FORWARD_ALL, FORWARD_COOKIES, FOUR_MORE, FUNCTION_URL, MAPPING, OWN_POLICY},
    *,
};
use crate::{
    code::Code,
    setup::{project::Extra, rendered},
};

/// Of a site of whose code nothing is known.
fn check(source: &str) -> Vec<Finding> {
    super::check(source, Code::default())
}

/// The facts in the code that `setup` writes.
pub(super) fn code(extras: &[Extra]) -> Code {
    code_of(&rendered("src/main.rs", extras))
}

pub(super) fn code_of(source: &str) -> Code {
    let mut code = Code::default();
    code.add("main.rs", source);
    code
}

const VARIANTS: [&[Extra]; 10] = [
    &[],
    &[Extra::Images],
    &[Extra::FreePlan],
    &[Extra::Images, Extra::FreePlan],
    &[Extra::Edge],
    &[Extra::Edge, Extra::Images],
    &[Extra::Schedules],
    &[Extra::Schedules, Extra::Edge],
    STREAMING,
    &[Extra::Streaming, Extra::Edge, Extra::Images],
];

pub(super) fn template(extras: &[Extra]) -> String {
    rendered("template.yaml", extras)
}

#[test]
fn conditions_that_name_one_another_in_a_circle_end() {
    let condition = "IsKeptWarm: !Equals [!Ref KeepWarm, \"true\"]";
    let circle = template(PLAIN).replace(condition, "IsKeptWarm: !Condition IsKeptWarm");
    assert_ne!(circle, template(PLAIN));
    check(&circle);
}

#[test]
fn what_setup_writes_has_no_finding() {
    for extras in VARIANTS {
        let code = code(extras);
        assert_eq!(code.problems(), [], "{extras:?}");
        assert_eq!(super::check(&template(extras), code), [], "{extras:?}");
    }
}

#[test]
fn no_extra_is_without_its_own_parts() {
    for extras in VARIANTS {
        let source = template(extras);
        let (images, free) = (extras.contains(&Extra::Images), extras.contains(&Extra::FreePlan));
        let edge = extras.contains(&Extra::Edge);
        for of_edge in ["CacheTagConfig:", "RemoveHeadersConfig:", "cloudfront:CreateInvalidation", "DISTRIBUTION_ID:"]
        {
            assert_eq!(source.contains(of_edge), edge, "{extras:?}: {of_edge}");
        }
        let later = extras.contains(&Extra::Schedules);
        for of_schedules in ["SchedulerRole:", "SCHEDULER_ROLE_ARN:", "iam:PassRole", "scheduler:CreateSchedule"] {
            assert_eq!(source.contains(of_schedules), later, "{extras:?}: {of_schedules}");
        }
        assert_eq!(source.contains("CachePolicyConfig:"), !free, "{extras:?}");
        assert_eq!(source.contains("[Accept]"), images && !free, "{extras:?}");
        assert_eq!(source.contains("AWS::CloudFront::Function"), images && !free, "{extras:?}");
        assert!(source.contains("Architectures: [arm64]"), "{extras:?}");
        assert!(!source.contains("#%") && !source.contains("[["), "{extras:?}");
    }
}

/// An edit of a template: what is replaced, and by what.
pub(super) type Edit<'a> = (&'a str, &'a str);

/// All edits are of one fault; each text that is replaced has to be there.
pub(super) fn edited(extras: &[Extra], edits: &[Edit<'_>]) -> String {
    edits.iter().fold(template(extras), |source, (from, to)| {
        assert!(source.contains(from), "there is no {from:?}");
        source.replacen(from, to, 1)
    })
}

const PLAIN: &[Extra] = &[];
const IMAGES: &[Extra] = &[Extra::Images];
const FREE: &[Extra] = &[Extra::FreePlan];
pub(super) const EDGE: &[Extra] = &[Extra::Edge];
const EDGE_IMAGES: &[Extra] = &[Extra::Edge, Extra::Images];
const STREAMING: &[Extra] = &[Extra::Streaming];
const URL: &str = "      FunctionUrlConfig:\n        AuthType: NONE\n        InvokeMode: RESPONSE_STREAM\n";
const HTTP_API: &str = "      Events:
        Site:
          Type: HttpApi
          Properties:
            TimeoutInMillis: 15000
";
const STREAMING_METHOD: &str = "Resources:
  Method:
    Type: AWS::ApiGateway::Method
    Properties:
      Integration:
        ResponseTransferMode: STREAM
";
const REMOVED: &str = "          ResponseHeadersPolicyId: !Ref TagPolicy\n";
const PURGES: &str = "              - Effect: Allow
                Action: cloudfront:CreateInvalidation
                Resource: !Sub \"arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Distribution}\"
";
const OTHER: &str = "              - Effect: Allow
                Action: cloudfront:CreateInvalidation
                Resource: !Sub \"arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Api}\"
";
const NO_ORIGIN_POLICY: &str = "CachePolicyId: !Ref PagePolicy\n";

/// Faults by the rule that has to find each, and the line that it has to name by a text in it.
#[rustfmt::skip]
const FAULTS: &[(&str, &[Extra], &[Edit<'static>], &str)] = &[
    ("A1", PLAIN, &[("CookieBehavior: none", "CookieBehavior: all")], "CookieBehavior: all"),
    ("A1", PLAIN, &[("CookieBehavior: none", "CookieBehavior: whitelist\n            Cookies: [a]")], "CookieBehavior: whitelist"),
    ("A1", PLAIN, &[(NO_ORIGIN_POLICY, "CachePolicyId: !Ref PagePolicy\n          OriginRequestPolicyId: !Ref Forward\n"), ("Resources:\n", FORWARD_COOKIES)], "CookieBehavior: all"),
    ("A1", PLAIN, &[(NO_ORIGIN_POLICY, "ForwardedValues:\n            QueryString: true\n            Cookies: { Forward: all }\n")], "Forward: all"),
    ("A2", PLAIN, &[("!Ref PagePolicy", "83da9c7e-98b4-4e11-a168-04f0df8e2c65")], "83da9c7e"),
    ("A2", PLAIN, &[("!Ref PagePolicy", "4cc15a8a-d715-48a4-82b8-cc0b614638fe")], "4cc15a8a"),
    ("A2", PLAIN, &[("b689b0a8-53d0-40ab-baf2-68738e2966ac", "216adef6-5c7f-47e4-b989-5492eafa07d3")], "216adef6"),
    ("A2", PLAIN, &[("HeaderBehavior: none", "HeaderBehavior: whitelist\n            Headers: [host]")], "[host]"),
    ("A2", PLAIN, &[("b689b0a8-53d0-40ab-baf2-68738e2966ac", "!Ref Forward"), ("Resources:\n", FORWARD_ALL)], "HeaderBehavior: allViewer"),
    ("A3", PLAIN, &[(NO_ORIGIN_POLICY, "CachePolicyId: !Ref PagePolicy\n          OriginRequestPolicyId: b689b0a8-53d0-40ab-baf2-68738e2966ac\n")], "b689b0a8"),
    ("A3", FREE, &[("658327ea-f89d-4fab-a63d-7e88639e58f6", "658327ea-f89d-4fab-a63d-7e88639e58f6\n            OriginRequestPolicyId: b689b0a8-53d0-40ab-baf2-68738e2966ac")], "b689b0a8-53d0-40ab-baf2-68738e2966ac # CachingOptimized"),
    ("A4", PLAIN, &[("MinTTL: 0\n        DefaultTTL", "MinTTL: 1\n        DefaultTTL")], "MinTTL: 1"),
    ("A4", PLAIN, &[("!Ref PagePolicy", "658327ea-f89d-4fab-a63d-7e88639e58f6")], "658327ea"),
    ("A4", PLAIN, &[("CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad # CachingDisabled\n            OriginRequestPolicyId: b689b0a8-53d0-40ab-baf2-68738e2966ac", "CachePolicyId: b2884449-e4de-46a7-ac36-70bc7f1ddd6d")], "b2884449"),
    ("A5", PLAIN, &[("MaxTTL: 31536000", "MaxTTL: 0")], "MaxTTL: 0"),
    ("A6", IMAGES, &[("viewer-request", "viewer-response")], "[Accept]"),
    ("A6", IMAGES, &[("request.headers.accept =", "var accept =")], "[Accept]"),
    ("A6", IMAGES, &[("HeaderBehavior: whitelist\n            Headers: [Accept]", "HeaderBehavior: none")], "AcceptFunction.FunctionARN"),
    ("A6", PLAIN, &[("HeaderBehavior: none", "HeaderBehavior: whitelist\n            Headers:\n              - accept")], "- accept"),
    ("A6", PLAIN, &[(NO_ORIGIN_POLICY, "CachePolicyId: !Ref PagePolicy\n          OriginRequestPolicyId: !Ref Forward\n"), ("Resources:\n", FORWARD_ACCEPT)], "Headers: [Accept]"),
    ("A7", FREE, &[("CachePolicyId: 658327ea-f89d-4fab-a63d-7e88639e58f6", "CachePolicyId: !Ref Own"), ("Resources:\n", OWN_POLICY)], "CachePolicyId: !Ref Own"),
    ("A7", FREE, &[("        WebACLId: !Ref WebAclArn\n", "")], "DistributionConfig:"),
    ("A7", FREE, &[("WebACLId: !Ref WebAclArn\n", "WebACLId: !If [HasDomain, !Ref WebAclArn, !Ref AWS::NoValue]\n")], "WebACLId:"),
    ("A7", FREE, &[("CacheBehaviors:\n", FOUR_MORE)], "DistributionConfig:"),
    ("A8", PLAIN, &[("          - ErrorCode: 404\n            ErrorCachingMinTTL: 0\n", "")], "CustomErrorResponses:"),
    ("A8", PLAIN, &[("ErrorCode: 503\n            ErrorCachingMinTTL: 0\n", "ErrorCode: 503\n            ErrorCachingMinTTL: 60\n")], "CustomErrorResponses:"),
    ("A8", PLAIN, &[("ErrorCode: 502\n            ErrorCachingMinTTL: 0\n", "ErrorCode: 502\n")], "CustomErrorResponses:"),
    ("A9", PLAIN, &[("Timeout: 10\n", "Timeout: 15\n")], "Timeout: 15"),
    ("A9", PLAIN, &[("            TimeoutInMillis: 15000\n", "")], "OriginReadTimeout: 20"),
    ("A9", PLAIN, &[("OriginReadTimeout: 20", "OriginReadTimeout: 15")], "OriginReadTimeout: 15"),
    ("A10", PLAIN, &[("            OriginCustomHeaders:\n              - HeaderName: X-Origin-Secret\n                HeaderValue: !Ref OriginSecret\n", "")], "- Id: api"),
    ("A10", PLAIN, &[("    NoEcho: true\n", "")], "OriginSecret:"),
    ("A10", PLAIN, &[("MinLength: 32", "MinLength: 16")], "MinLength: 16"),
    ("A10", PLAIN, &[("    MinLength: 32\n", "")], "OriginSecret:"),
    ("A10", PLAIN, &[("MinLength: 32", "MinLength: 32\n    Default: 0123456789abcdef0123456789abcdef")], "Default: 0123"),
    ("A10", PLAIN, &[("HeaderValue: !Ref OriginSecret", "HeaderValue: 0123456789abcdef0123456789abcdef"), ("ORIGIN_SECRET: !Ref OriginSecret", "ORIGIN_SECRET: 0123456789abcdef0123456789abcdef"), ("ORIGIN_SECRET: !Ref OriginSecret", "ORIGIN_SECRET: 0123456789abcdef0123456789abcdef")], "HeaderValue: 0123"),
    ("A10", PLAIN, &[("- HeaderName: X-Origin-Secret", "- HeaderName: X-Amz-Site\n                HeaderValue: a\n              - HeaderName: X-Origin-Secret")], "X-Amz-Site"),
    ("A11", EDGE, &[("        CacheTagConfig:\n          HeaderName: cache-tag\n", "")], "DistributionConfig:"),
    ("A11", EDGE, &[("HeaderName: cache-tag", "HeaderName: x-amz-meta-cache-tag"), ("- Header: cache-tag", "- Header: x-amz-meta-cache-tag")], "HeaderName: x-amz-meta-cache-tag"),
    ("A11", PLAIN, &[("        HttpVersion: http2and3\n", "        HttpVersion: http2and3\n        CacheTagConfig: { HeaderName: cache-tag }\n"), ("CachePolicyId: !Ref PagePolicy", "CachePolicyId: !Ref PagePolicy\n          ResponseHeadersPolicyId: !Ref Elsewhere"), ("# AllViewerExceptHostHeader", "# AllViewerExceptHostHeader\n            ResponseHeadersPolicyId: !Ref Elsewhere"), ("CachePolicyId: !Ref FilePolicy", "CachePolicyId: !Ref FilePolicy\n            ResponseHeadersPolicyId: !Ref Elsewhere")], "CacheTagConfig:"),
    ("A12", EDGE, &[(REMOVED, "")], "DefaultCacheBehavior:"),
    ("A12", EDGE, &[("# AllViewerExceptHostHeader\n            ResponseHeadersPolicyId: !Ref TagPolicy\n", "\n")], "PathPattern: /contact"),
    ("A12", EDGE_IMAGES, &[("ImagePolicy\n            ResponseHeadersPolicyId: !Ref TagPolicy", "ImagePolicy\n            ResponseHeadersPolicyId: 67f7725c-6f97-4210-82d7-5512b31e9d03")], "67f7725c"),
    ("A12", EDGE, &[("            - Header: cache-tag\n", "            - Header: server\n")], "ResponseHeadersPolicyId:"),
    ("A12", EDGE, &[("PagePolicy\n          ResponseHeadersPolicyId: !Ref TagPolicy", "PagePolicy\n          ResponseHeadersPolicyId: !If [HasDomain, !Ref TagPolicy, !Ref AWS::NoValue]")], "!If [HasDomain, !Ref TagPolicy"),
    ("A13", EDGE, &[(PURGES, "")], "WorkerRole:"),
    ("A13", EDGE, &[(PURGES, OTHER)], "WorkerRole:"),
    ("A13", EDGE, &[("Action: cloudfront:CreateInvalidation", "Action: cloudfront:GetInvalidation")], "WorkerRole:"),
    ("A13", EDGE, &[("          DISTRIBUTION_ID: !Ref Distribution\n", "")], "WorkerFunction:"),
    ("A13", EDGE, &[("          QUEUE_URL_TASKS: !Ref TaskQueue\n", "          QUEUE_URL_TASKS: !Ref TaskQueue\n          DISTRIBUTION_ID: !GetAtt Distribution.Id\n")], "DISTRIBUTION_ID: !GetAtt"),
    ("C28", PLAIN, &[("StageName: $default", "StageName: live")], "StageName: live"),
    ("C28", PLAIN, &[("    Type: AWS::Serverless::HttpApi\n    Properties:\n      StageName: $default\n", "    Type: AWS::Serverless::Api\n    Properties:\n      StageName: live\n      BinaryMediaTypes: ['*/*']\n")], "- Id: api"),
    ("C32", PLAIN, &[("          PUBLIC_ORIGIN: !If [HasDomain, !Sub \"https://${DomainName}\", \"\"]\n", "")], "WebFunction:"),
    ("D40", PLAIN, &[("Resources:\n", "Resources:\n  Rest:\n    Type: AWS::Serverless::Api\n    Properties:\n      StageName: live\n")], "Rest:"),
    ("D40", PLAIN, &[("Resources:\n", "Resources:\n  Rest:\n    Type: AWS::ApiGateway::RestApi\n    Properties:\n      BinaryMediaTypes: [image/png]\n")], "Rest:"),
    ("D40", PLAIN, &[("            TimeoutInMillis: 15000\n", "            TimeoutInMillis: 15000\n        Old:\n          Type: Api\n          Properties: { Path: /old, Method: ANY, TimeoutInMillis: 15000 }\n")], "Old:"),
    ("D43", PLAIN, &[("            TimeoutInMillis: 15000", "            TimeoutInMillis: 15000\n            Path: /\n            Method: GET")], "Method: GET"),
    ("E45", PLAIN, &[("    Metadata:\n      BuildMethod: rust-cargolambda\n      BuildProperties:\n        Binary: my-site\n", "")], "WebFunction:"),
    ("E47", PLAIN, &[("provided.al2023", "provided.al2")], "Runtime:"),
    ("E47", PLAIN, &[("Handler: bootstrap", "Handler: main")], "Handler: main"),
    ("E47", PLAIN, &[("    Architectures: [arm64]\n", "")], "WebFunction:"),
    ("E48", PLAIN, &[("    Default: \"false\"", "    Default: \"true\"")], "KeepWarmRule:"),
    ("E48", PLAIN, &[("    Type: AWS::Events::Rule\n    Condition: IsKeptWarm\n", "    Type: AWS::Events::Rule\n")], "KeepWarmRule:"),
    ("E48", PLAIN, &[("      Events:\n", "      Events:\n        Warm:\n          Type: Schedule\n          Properties:\n            Schedule: rate(5 minutes)\n            Input: '{\"warmer\":true}'\n")], "Warm:"),
    ("E53", STREAMING, &[("InvokeMode: RESPONSE_STREAM", "InvokeMode: BUFFERED")], "InvokeMode: BUFFERED"),
    ("E53", STREAMING, &[("        InvokeMode: RESPONSE_STREAM\n", "")], "FunctionUrlConfig:"),
    ("E53", STREAMING, &[(URL, HTTP_API)], "Site:"),
    ("E53", PLAIN, &[("      Description: Answers requests\n", "      Description: Answers requests\n      FunctionUrlConfig:\n        AuthType: NONE\n        InvokeMode: RESPONSE_STREAM\n")], "InvokeMode: RESPONSE_STREAM"),
    ("E53", PLAIN, &[("Resources:\n", STREAMING_METHOD)], "ResponseTransferMode: STREAM"),
    ("E49", PLAIN, &[("Resources:\n", FUNCTION_URL)], "  Url:"),
    ("E49", PLAIN, &[("            OriginCustomHeaders:", "            OriginAccessControlId: !GetAtt Signing.Id\n            OriginCustomHeaders:")], "OriginAccessControlId:"),
    ("E50", PLAIN, &[("          ORIGIN_SECRET: !Ref OriginSecret\n", "")], "WebFunction:"),
    ("E50", PLAIN, &[("ORIGIN_SECRET: !Ref OriginSecret\n", "ORIGIN_SECRET: !Ref OriginSecretPrevious\n")], "ORIGIN_SECRET: !Ref OriginSecretPrevious"),
    ("E50", PLAIN, &[("          STAGE: !Ref Stage\n", "")], "WebFunction:"),
    ("E50", PLAIN, &[("          STAGE: !Ref Stage\n", "          STAGE: dev\n")], "STAGE: dev"),
    ("E51", PLAIN, &[("FunctionName: !GetAtt WebFunction.Arn", "FunctionName: !Ref WebFunction.Alias")], "Arn: !GetAtt WebFunction.Arn"),
    ("E51", PLAIN, &[("      Timeout: 10\n", "      Timeout: 10\n      ProvisionedConcurrencyConfig:\n        ProvisionedConcurrentExecutions: 1\n")], "ProvisionedConcurrencyConfig:"),
    ("F58", PLAIN, &[("VisibilityTimeout: 360", "VisibilityTimeout: 359")], "VisibilityTimeout: 359"),
    ("F58", PLAIN, &[("      VisibilityTimeout: 360\n", "")], "TaskQueue:"),
    ("F58", PLAIN, &[("maxReceiveCount: 100", "maxReceiveCount: 49")], "maxReceiveCount: 49"),
    ("F58", PLAIN, &[("maxReceiveCount: 100", "maxReceiveCount: 24"), ("BatchSize: 10", "BatchSize: 5")], "maxReceiveCount: 24"),
    ("F58", PLAIN, &[("maxReceiveCount: 100", "maxReceiveCount: 19"), ("BatchSize: 10", "BatchSize: 1")], "maxReceiveCount: 19"),
    ("F58", PLAIN, &[(LETTERS, "")], "WorkerRole:"),
    ("F58", PLAIN, &[(LETTERS, SENDING_ELSEWHERE)], "WorkerRole:"),
    ("F58", PLAIN, &[(LETTERS, ""), ("Role: !GetAtt WorkerRole.Arn", "Policies: [AWSLambdaBasicExecutionRole, SQSPollerPolicy: { QueueName: !GetAtt TaskQueue.QueueName }]")], "WorkerFunction:"),
    ("F58", PLAIN, &[("      RedrivePolicy:\n        deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn\n        maxReceiveCount: 100\n", "")], "TaskQueue:"),
    ("F58", PLAIN, &[("-dead-letters.fifo\"\n      FifoQueue: true", "-dead-letters.fifo\"")], "DeadLetterQueue:"),
    ("F58", PLAIN, &[("-tasks.fifo", "-tasks")], "QueueName:"),
    ("F58", PLAIN, &[("BatchSize: 10", "BatchSize: 11")], "BatchSize: 11"),
    ("F58", PLAIN, &[("BatchSize: 10", "BatchSize: 10\n            MaximumBatchingWindowInSeconds: 1")], "MaximumBatchingWindowInSeconds: 1"),
    ("F58", PLAIN, &[("            FunctionResponseTypes: [ReportBatchItemFailures]\n", "")], "Properties:"),
    ("F58", PLAIN, &[("Resources:\n", MAPPING)], "[Other]"),
];

/// What lets the worker send to the dead letters.
const LETTERS: &str = "              - Effect: Allow
                Action: sqs:SendMessage
                Resource: !GetAtt DeadLetterQueue.Arn
";
const SENDING_ELSEWHERE: &str = "              - Effect: Allow
                Action: [sqs:SendMessage]
                Resource: [!GetAtt TaskQueue.Arn]
              - Effect: Deny
                Action: sqs:*
                Resource: !GetAtt DeadLetterQueue.Arn
";

/// Other ways to say that it may, and some that leave it open.
#[test]
fn a_worker_may_send_in_whichever_way_that_is_said() {
    let statement = |action: &str, resource: &str| {
        let lines = ["- Effect: Allow".to_owned(), format!("  Action: {action}"), format!("  Resource: {resource}")];
        lines.map(|line| format!("{:14}{line}\n", "")).concat()
    };
    let attached = "Resources:\n  Attached:\n    Type: AWS::IAM::Policy\n    Properties:\n      PolicyName: a\n      Roles: [!Ref WorkerRole]\n      \
                    PolicyDocument: { Statement: [{ Effect: Allow, Action: 'sqs:*', Resource: !GetAtt DeadLetterQueue.Arn }] }\n";
    let role = "Role: !GetAtt WorkerRole.Arn";
    let edits: &[&[Edit<'_>]] = &[
        &[(
            LETTERS,
            &statement("['sqs:Send*', logs:PutLogEvents]", "[!GetAtt TaskQueue.Arn, !GetAtt DeadLetterQueue.Arn]"),
        )],
        &[(LETTERS, &statement("'*'", "'*'"))],
        &[(LETTERS, &statement("sqs:SendMessage", "!Sub 'arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:my-site-*'"))],
        &[(LETTERS, ""), ("Resources:\n", attached)],
        &[
            (LETTERS, ""),
            (
                "  WorkerRole:\n    Type: AWS::IAM::Role\n    Properties:\n",
                "  WorkerRole:\n    Type: AWS::IAM::Role\n    Properties:\n      ManagedPolicyArns: [!Ref Shared]\n",
            ),
        ],
        &[(role, "Policies: [SQSSendMessagePolicy: { QueueName: !GetAtt DeadLetterQueue.QueueName }]")],
        &[(role, "Role: arn:aws:iam::123456789012:role/worker")],
    ];
    for edits in edits {
        assert_eq!(check(&edited(PLAIN, edits)), [], "{edits:?}");
    }
}

#[test]
fn each_fault_is_found_by_its_rule_alone() {
    let mut wrong = Vec::new();
    for (rule, extras, edits, place) in FAULTS {
        let source = edited(extras, edits);
        let found = super::check(&source, code(extras));
        let lines: Vec<&str> = source.lines().collect();
        let is_named = found.iter().any(|finding| lines[finding.line - 1].contains(place));
        if !is_named || found.iter().any(|finding| finding.rule != *rule) {
            wrong.push((rule, edits, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_function_has_room_for_its_variables() {
    let variable = |length: usize| {
        let long = format!("STAGE: !Ref Stage\n          LONG: {}", "x".repeat(length));
        check(&edited(PLAIN, &[("STAGE: !Ref Stage", &long)]))
    };
    assert_eq!(variable(3000), []);
    let found: Vec<&str> = variable(4097).iter().map(|finding| finding.rule).collect();
    assert_eq!(found, ["E52"]);
}

#[test]
fn each_rule_has_a_fault() {
    let rules: BTreeSet<&str> = RULES.iter().map(|(rule, _)| *rule).collect();
    let seeded: BTreeSet<&str> = FAULTS.iter().map(|(rule, ..)| *rule).chain(["E52", "F59", "F60"]).collect();
    assert_eq!(rules, seeded);
    assert_eq!(rules.len(), RULES.len(), "no rule is there twice");
}

/// With ten tasks in a batch, 100 receives are enough for ten attempts of each.
#[test]
fn receives_go_by_the_attempts_in_the_code() {
    let found = |attempts| {
        let found = super::check(&template(PLAIN), code_of(&format!("tasks.with_attempts({attempts})")));
        found.into_iter().map(|finding| (finding.rule, finding.message)).collect::<Vec<_>>()
    };
    assert_eq!(found(10), []);
    for (attempts, wanted) in [(11, 110), (150, 1000)] {
        let found = found(attempts);
        assert!(found.len() == 1 && found[0].0 == "F58", "{found:?}");
        assert!(found[0].1.ends_with(&format!("set maxReceiveCount to {wanted}")), "{found:?}");
    }
}

/// What is right though it looks like a fault.
#[test]
fn what_is_right_is_not_found() {
    #[rustfmt::skip]
    let right: &[&[Edit<'_>]] = &[
        // A bucket takes cookies, Host and CachingOptimized for granted.
        &[("        Origins:\n", "        Origins:\n          - Id: bucket\n            DomainName: x.s3.amazonaws.com\n            S3OriginConfig: {}\n"),
          ("CacheBehaviors:\n", "CacheBehaviors:\n          - { PathPattern: /old, TargetOriginId: bucket, CachePolicyId: 658327ea-f89d-4fab-a63d-7e88639e58f6 }\n")],
        &[("HeaderValue: !Ref OriginSecret", "HeaderValue: '{{resolve:secretsmanager:origin}}'"),
          ("ORIGIN_SECRET: !Ref OriginSecret", "ORIGIN_SECRET: '{{resolve:secretsmanager:origin}}'"),
          ("ORIGIN_SECRET: !Ref OriginSecret", "ORIGIN_SECRET: '{{resolve:secretsmanager:origin}}'")],
        &[("            TimeoutInMillis: 15000", "            TimeoutInMillis: 15000\n            Path: /{proxy+}\n            Method: ANY")],
        // A schedule that is none of ours.
        &[("Input: '{\"keep-warm\":true}'", "Input: '{\"report\":true}'"), ("    Condition: IsKeptWarm\n", "")],
        // Built before, by cargo lambda.
        &[("    Metadata:\n      BuildMethod: rust-cargolambda\n      BuildProperties:\n        Binary: my-site\n", ""), ("CodeUri: .", "CodeUri: target/lambda/my-site/")],
        // The API that SAM makes by itself, and one that takes what is said for all.
        &[("            TimeoutInMillis: 15000\n", "            TimeoutInMillis: 15000\n        Old:\n          Type: Api\n          Properties: { Path: /old, Method: ANY, TimeoutInMillis: 15000 }\n"),
          ("Resources:\n", "Resources:\n  Rest:\n    Type: AWS::Serverless::Api\n    Properties:\n      StageName: live\n"),
          ("Globals:\n", "Globals:\n  Api:\n    BinaryMediaTypes: ['*/*']\n")],
        &[("    Type: AWS::Serverless::Function\n    Metadata", "    Type: AWS::Serverless::Function\n    DependsOn: WebLog\n    Metadata")],
    ];
    for edits in right {
        assert_eq!(check(&edited(PLAIN, edits)), [], "{edits:?}");
    }
    assert_eq!(check("Resources: {}"), []);
    assert_eq!(check("{\"Resources\": {\"Q\": {\"Type\": \"AWS::SQS::Queue\"}}}"), [], "nobody's queue");
}

#[test]
fn what_is_no_template_is_a_finding() {
    let found = check("Resources:\n  a: [1\n");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].rule, "yaml");
}
