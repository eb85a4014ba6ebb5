/* Webhook signatures: the table of schemes. A provider is a row here, not a function. */
/* SPDX-License-Identifier: MIT */
#include "pure/signature.h"

#include "base/mem.h"

#define FIVE_MINUTES 300000
#define STANDARD_TEXT "{id}.{timestamp}.{body}"

#define GITHUB_STYLE(header)                                                                       \
	.method = SIGNATURE_HMAC, .headers = {{header}},                                           \
	.prefix = "sha256=", .algorithm = DIGEST_SHA256, .encoding = SIGNATURE_HEX,                \
	.signed_text = "{body}"

#define STANDARD_STYLE                                                                             \
	.separator = ' ', .algorithm = DIGEST_SHA256, .encoding = SIGNATURE_BASE64,                \
	.signed_text = STANDARD_TEXT, .time = SIGNATURE_TIME_HEADER, .tolerance_ms = FIVE_MINUTES, \
	.key = SIGNATURE_KEY_BASE64

#define WEBHOOK_HEADERS                                                                            \
	{                                                                                          \
		"webhook-signature", "webhook-timestamp", "webhook-id"                             \
	}

static const struct signature_scheme schemes[] = {
	{.name = "github",
	 GITHUB_STYLE("x-hub-signature-256"),
	 .delivery = {"x-github-delivery"},
	 .ping_header = "x-github-event",
	 .ping_value = "ping"},
	{.name = "gitea",
	 .method = SIGNATURE_HMAC,
	 .headers = {{"x-gitea-signature"}, {"x-forgejo-signature"}},
	 .algorithm = DIGEST_SHA256,
	 .encoding = SIGNATURE_HEX,
	 .signed_text = "{body}",
	 .delivery = {"x-gitea-delivery", "x-forgejo-delivery"}},
	{.name = "gitlab_token",
	 .method = SIGNATURE_TOKEN,
	 .headers = {{"x-gitlab-token"}},
	 .delivery = {"idempotency-key", "x-gitlab-event-uuid"}},
	{.name = "gitlab_signing",
	 .method = SIGNATURE_HMAC,
	 .headers = {WEBHOOK_HEADERS},
	 .prefix = "v1,",
	 STANDARD_STYLE,
	 .key_prefix = "whsec_",
	 .delivery = {"webhook-id", "idempotency-key"}},
	{.name = "bitbucket",
	 GITHUB_STYLE("x-hub-signature"),
	 .delivery = {"x-request-uuid", "x-request-id"},
	 .ping_header = "x-event-key",
	 .ping_value = "diagnostics:ping"},
	{.name = "jira",
	 GITHUB_STYLE("x-hub-signature"),
	 .delivery = {"x-atlassian-webhook-identifier"}},
	{.name = "meta", GITHUB_STYLE("x-hub-signature-256")},
	{.name = "msgraph", .method = SIGNATURE_BODY_TOKEN},
	/* Its whsec_ is not base64: the whole text is the key. */
	{.name = "stripe",
	 .method = SIGNATURE_HMAC,
	 .headers = {{"stripe-signature"}},
	 .prefix = "v1=",
	 .separator = ',',
	 .algorithm = DIGEST_SHA256,
	 .encoding = SIGNATURE_HEX_LOWER,
	 .signed_text = "{timestamp}.{body}",
	 .time = SIGNATURE_TIME_FIELD,
	 .tolerance_ms = FIVE_MINUTES,
	 .delivery_member = "id"},
	{.name = "slack",
	 .method = SIGNATURE_HMAC,
	 .headers = {{"x-slack-signature", "x-slack-request-timestamp"}},
	 .prefix = "v0=",
	 .algorithm = DIGEST_SHA256,
	 .encoding = SIGNATURE_HEX_LOWER,
	 .signed_text = "v0:{timestamp}:{body}",
	 .time = SIGNATURE_TIME_HEADER,
	 .tolerance_ms = FIVE_MINUTES,
	 .delivery_member = "event_id"},
	{.name = "zoom",
	 .method = SIGNATURE_HMAC,
	 .headers = {{"x-zm-signature", "x-zm-request-timestamp"}},
	 .prefix = "v0=",
	 .algorithm = DIGEST_SHA256,
	 .encoding = SIGNATURE_HEX_LOWER,
	 .signed_text = "v0:{timestamp}:{body}",
	 .time = SIGNATURE_TIME_HEADER,
	 .tolerance_ms = FIVE_MINUTES},
	{.name = "shopify",
	 .method = SIGNATURE_HMAC,
	 .headers = {{"x-shopify-hmac-sha256",
		      .required = {"x-shopify-topic", "x-shopify-shop-domain",
				   "x-shopify-api-version", "x-shopify-webhook-id"}},
		     {"shopify-hmac-sha256",
		      .required = {"shopify-topic", "shopify-shop-domain", "shopify-api-version",
				   "shopify-webhook-id"}}},
	 .algorithm = DIGEST_SHA256,
	 .encoding = SIGNATURE_BASE64,
	 .signed_text = "{body}",
	 .body_required = true,
	 .delivery = {"x-shopify-webhook-id", "shopify-webhook-id"}},
	{.name = "standard",
	 .method = SIGNATURE_HMAC,
	 .headers = {WEBHOOK_HEADERS},
	 .prefix = "v1,",
	 STANDARD_STYLE,
	 .key_prefix = "whsec_",
	 .delivery = {"webhook-id"}},
	{.name = "standard_v1a",
	 .method = SIGNATURE_ED25519,
	 .headers = {WEBHOOK_HEADERS},
	 .prefix = "v1a,",
	 STANDARD_STYLE,
	 .key_prefix = "whpk_",
	 .delivery = {"webhook-id"}},
	{.name = "svix",
	 .method = SIGNATURE_HMAC,
	 .headers = {{"svix-signature", "svix-timestamp", "svix-id"}, WEBHOOK_HEADERS},
	 .prefix = "v1,",
	 STANDARD_STYLE,
	 .key_prefix = "whsec_",
	 .delivery = {"svix-id", "webhook-id"}},
	{.name = "twilio",
	 .method = SIGNATURE_HMAC,
	 .headers = {{"x-twilio-signature"}},
	 .algorithm = DIGEST_SHA1,
	 .encoding = SIGNATURE_BASE64,
	 .signed_text = "{url}{form}",
	 .delivery = {"i-twilio-idempotency-token"}},
	{.name = "linear",
	 .method = SIGNATURE_HMAC,
	 .headers = {{"linear-signature"}},
	 .algorithm = DIGEST_SHA256,
	 .encoding = SIGNATURE_HEX,
	 .signed_text = "{body}",
	 .time = SIGNATURE_TIME_BODY,
	 .tolerance_ms = 60000,
	 .delivery = {"linear-delivery"}},
	{.name = "discord",
	 .method = SIGNATURE_ED25519,
	 .headers = {{"x-signature-ed25519", "x-signature-timestamp"}},
	 .encoding = SIGNATURE_HEX,
	 .signed_text = "{timestamp}{body}",
	 .time = SIGNATURE_TIME_HEADER,
	 .tolerance_ms = FIVE_MINUTES,
	 .key = SIGNATURE_KEY_HEX,
	 .delivery_member = "id"},
	{.name = "pagerduty",
	 .method = SIGNATURE_HMAC,
	 .headers = {{"x-pagerduty-signature"}},
	 .prefix = "v1=",
	 .separator = ',',
	 .algorithm = DIGEST_SHA256,
	 .encoding = SIGNATURE_HEX_LOWER,
	 .signed_text = "{body}",
	 .delivery = {"x-webhook-id"}},
	{.name = "scalr",
	 .method = SIGNATURE_HMAC,
	 .headers = {{"x-signature", "date"}},
	 .algorithm = DIGEST_SHA1,
	 .encoding = SIGNATURE_HEX_LOWER,
	 .signed_text = "{body}{timestamp}",
	 .time = SIGNATURE_TIME_DATE,
	 .tolerance_ms = FIVE_MINUTES},
	/* Its empty fields come from the trigger's options. */
	{.name = "hmac",
	 .method = SIGNATURE_HMAC,
	 .headers = {{"x-signature"}},
	 .algorithm = DIGEST_SHA256,
	 .encoding = SIGNATURE_HEX,
	 .signed_text = "{body}"},
	/* A secret in a header that the trigger names. */
	{.name = "token", .method = SIGNATURE_TOKEN, .headers = {{"x-token"}}},
	{.name = "bearer",
	 .method = SIGNATURE_TOKEN,
	 .headers = {{"authorization"}},
	 .prefix = "Bearer "},
	{.name = "basic",
	 .method = SIGNATURE_BASIC,
	 .headers = {{"authorization"}},
	 .prefix = "Basic "},
	{.name = "none", .method = SIGNATURE_NONE},
};

const struct signature_scheme *
signature_at(size_t index)
{
	return index < ARRAY_LEN(schemes) ? &schemes[index] : NULL;
}

const struct signature_scheme *
signature_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (str_eq_cstr(name, schemes[i].name))
			return &schemes[i];
	return NULL;
}
