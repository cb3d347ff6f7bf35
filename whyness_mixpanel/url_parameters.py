"""The parameters that URLs keep by default, for URL_PARAMETERS: `(*UTM, "ref")`."""

# Campaign parameters of Mixpanel. Source: docs.mixpanel.com/docs/tracking-best-practices/traffic-attribution
UTM = (
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "utm_id",
    "utm_source_platform",
    "utm_campaign_id",
    "utm_creative_format",
    "utm_marketing_tactic",
)
