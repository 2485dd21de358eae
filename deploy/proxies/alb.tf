# Darkroom behind an AWS Application Load Balancer. docs/reverse-proxies.md says what each setting is for.
variable "subnets" { type = list(string) }
variable "security_groups" { type = list(string) }
variable "vpc" { type = string }
variable "certificate" { type = string }

resource "aws_lb" "darkroom" {
  name                       = "darkroom"
  load_balancer_type         = "application"
  subnets                    = var.subnets
  security_groups            = var.security_groups
  idle_timeout               = 75 # event streams send a comment every 15 s, and ingest gives a silent client 60 s
  client_keep_alive          = 3600
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
}

resource "aws_lb_target_group" "darkroom" {
  name                 = "darkroom"
  port                 = 8000
  protocol             = "HTTP"
  vpc_id               = var.vpc
  target_type          = "ip"
  deregistration_delay = 30

  health_check {
    path                = "/readyz" # 503 while S3 or the records are away
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "darkroom" {
  load_balancer_arn = aws_lb.darkroom.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.darkroom.arn
  }
}
