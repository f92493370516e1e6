//! Parts of templates that the tests of the rules put into a template, in place of its first line or of others.

pub(super) const FORWARD_COOKIES: &str = "Resources:
  Forward:
    Type: AWS::CloudFront::OriginRequestPolicy
    Properties:
      OriginRequestPolicyConfig:
        CookiesConfig:
          CookieBehavior: all
        HeadersConfig:
          HeaderBehavior: none
";
pub(super) const FORWARD_ALL: &str = "Resources:
  Forward:
    Type: AWS::CloudFront::OriginRequestPolicy
    Properties:
      OriginRequestPolicyConfig:
        HeadersConfig:
          HeaderBehavior: allViewer
";
pub(super) const FORWARD_ACCEPT: &str = "Resources:
  Forward:
    Type: AWS::CloudFront::OriginRequestPolicy
    Properties:
      OriginRequestPolicyConfig:
        HeadersConfig:
          HeaderBehavior: whitelist
          Headers: [Accept]
";
pub(super) const OWN_POLICY: &str = "Resources:
  Own:
    Type: AWS::CloudFront::CachePolicy
    Properties:
      CachePolicyConfig:
        MinTTL: 0
        DefaultTTL: 0
        MaxTTL: 60
";
pub(super) const FOUR_MORE: &str = "CacheBehaviors:
          - { PathPattern: /a/*, TargetOriginId: api, CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad }
          - { PathPattern: /b/*, TargetOriginId: api, CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad }
          - { PathPattern: /c/*, TargetOriginId: api, CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad }
          - { PathPattern: /d/*, TargetOriginId: api, CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad }
";
pub(super) const FUNCTION_URL: &str = "Resources:
  Url:
    Type: AWS::Lambda::Url
    Properties:
      AuthType: NONE
      TargetFunctionArn: !GetAtt WebFunction.Arn
  UrlPermission:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunctionUrl
      FunctionName: !Ref WebFunction
      FunctionUrlAuthType: NONE
      Principal: '*'
";
pub(super) const MAPPING: &str = "Resources:
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt TaskQueue.Arn
      FunctionName: !Ref WorkerFunction
      FunctionResponseTypes: [Other]
";
