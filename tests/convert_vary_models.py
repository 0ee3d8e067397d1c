# SPDX-License-Identifier: Apache-2.0
"""Families for convert_vary.py, whose models transformers makes. Of each: classes, model_type, its
tokenizer, fields of the smallest configuration (beside SMALL), and fields with the values that are
tried. Values are JSON."""

SMALL = ('hidden_size=64 intermediate_size=96 num_hidden_layers=2'
         ' num_attention_heads=4 max_position_embeddings=512')

FAMILIES = {
    'llama': (
        'LlamaForCausalLM LlamaModel', 'llama', 'spm', SMALL,
        '',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 head_dim=8|24|32 attention_bias=true|false '
        'mlp_bias=true'),
    'mistral': (
        'MistralForCausalLM', 'mistral', 'spm', SMALL,
        '',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 head_dim=8|24|32 sliding_window=null|64|4096'),
    'mixtral': (
        'MixtralForCausalLM', 'mixtral', 'spm', SMALL,
        'num_local_experts=4 num_experts_per_tok=2',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 sliding_window=null|64|4096 num_local_experts=2|3|8 '
        'head_dim=16|32'),
    'smollm3': (
        'SmolLM3ForCausalLM', 'smollm3', 'bpe', SMALL,
        '',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 attention_bias=true|false '
        'no_rope_layer_interval=1|2|4 mlp_bias=true'),
    'llama4': (
        'Llama4ForCausalLM', 'llama4_text', 'bpe', SMALL,
        'num_hidden_layers=4 intermediate_size_mlp=128 num_local_experts=4 head_dim=16',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'interleave_moe_layer_step=1|2 num_experts_per_tok=1|2 attention_chunk_size=64|8192 '
        'use_qk_norm=true|false'),
    'qwen2': (
        'Qwen2ForCausalLM Qwen2Model', 'qwen2', 'bpe', SMALL,
        '',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 sliding_window=null|64|4096 '
        'use_sliding_window=true|false max_window_layers=1|28'),
    'qwen2moe': (
        'Qwen2MoeForCausalLM', 'qwen2_moe', 'bpe', SMALL,
        'num_experts=4 moe_intermediate_size=48 shared_expert_intermediate_size=80 '
        'num_experts_per_tok=2',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 sliding_window=null|64|4096 norm_topk_prob=true'),
    'qwen3': (
        'Qwen3ForCausalLM Qwen3Model', 'qwen3', 'bpe', SMALL,
        '',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 head_dim=8|24|32 attention_bias=true|false '
        'sliding_window=null|64|4096'),
    'qwen3moe': (
        'Qwen3MoeForCausalLM', 'qwen3_moe', 'bpe', SMALL,
        'num_experts=4 moe_intermediate_size=48 num_experts_per_tok=2 num_key_value_heads=2',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 head_dim=8|24|32 attention_bias=true|false '
        'norm_topk_prob=true'),
    'phi2': (
        'PhiForCausalLM', 'phi', 'bpe', SMALL,
        '',
        'num_key_value_heads=1|2|4 partial_rotary_factor=0.4|0.5|1.0 layer_norm_eps=1e-06 '
        'qk_layernorm=false'),
    'phi3': (
        'Phi3ForCausalLM', 'phi3', 'spm', SMALL,
        'original_max_position_embeddings=512',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 sliding_window=null|64|4096 '
        'partial_rotary_factor=0.75|1.0'),
    'dsv2': (
        'DeepseekV2ForCausalLM', 'deepseek_v2', 'bpe', SMALL,
        'num_hidden_layers=3 kv_lora_rank=16 qk_nope_head_dim=16 qk_rope_head_dim=8 '
        'v_head_dim=16 n_routed_experts=4 moe_intermediate_size=32 num_experts_per_tok=2 '
        'n_shared_experts=2 first_k_dense_replace=1 num_key_value_heads=4',
        'q_lora_rank=null|24 first_k_dense_replace=0|1|2 n_group=1|2 topk_group=1|2 '
        'routed_scaling_factor=1.0|2.5|16.0 norm_topk_prob=true|false '
        'topk_method="greedy"|"group_limited_greedy" rms_norm_eps=1e-05|1e-06|0.0003 '
        'tie_word_embeddings=true|false'),
    'dsv3': (
        'DeepseekV3ForCausalLM', 'deepseek_v3', 'bpe', SMALL,
        'num_hidden_layers=3 kv_lora_rank=16 qk_nope_head_dim=16 qk_rope_head_dim=8 '
        'v_head_dim=16 n_routed_experts=4 moe_intermediate_size=32 num_experts_per_tok=2 '
        'n_shared_experts=1 first_k_dense_replace=1 num_key_value_heads=4 q_lora_rank=24 '
        'n_group=2 topk_group=1',
        'first_k_dense_replace=0|1|2 routed_scaling_factor=1.0|2.5 norm_topk_prob=true|false '
        'num_nextn_predict_layers=0|1 scoring_func="sigmoid"|"softmax" '
        'rms_norm_eps=1e-05|1e-06|0.0003 tie_word_embeddings=true|false q_lora_rank=null'),
    'glm4moe': (
        'Glm4MoeForCausalLM', 'glm4_moe', 'glm', SMALL,
        'num_hidden_layers=3 n_routed_experts=4 moe_intermediate_size=32 num_experts_per_tok=2 '
        'n_shared_experts=1 first_k_dense_replace=1 num_key_value_heads=2 head_dim=16 '
        'n_group=1 topk_group=1',
        'use_qk_norm=true|false rms_norm_eps=1e-05|1e-06|0.0003 attention_bias=true|false '
        'tie_word_embeddings=true|false partial_rotary_factor=0.5|1.0 '
        'first_k_dense_replace=0|2 routed_scaling_factor=1.0|2.5 norm_topk_prob=true|false '
        'num_nextn_predict_layers=0|1'),
    'glm4moelite': (
        'Glm4MoeLiteForCausalLM', 'glm4_moe_lite', 'glm', SMALL,
        'num_hidden_layers=3 kv_lora_rank=16 qk_nope_head_dim=16 qk_rope_head_dim=8 '
        'v_head_dim=16 n_routed_experts=4 moe_intermediate_size=32 num_experts_per_tok=2 '
        'n_shared_experts=1 q_lora_rank=24 num_key_value_heads=4 n_group=1 topk_group=1',
        'rms_norm_eps=1e-05|1e-06|0.0003 tie_word_embeddings=true|false '
        'routed_scaling_factor=1.0|1.8 norm_topk_prob=true|false '
        'mlp_layer_types=["dense","sparse","sparse"]|["dense","dense","sparse"] '
        'num_nextn_predict_layers=0|1'),
    'qwen3next': (
        'Qwen3NextForCausalLM', 'qwen3_next', 'bpe', SMALL,
        'mtp_num_hidden_layers=1 num_hidden_layers=4 num_key_value_heads=2 head_dim=16 '
        'linear_num_value_heads=4 linear_num_key_heads=2 linear_key_head_dim=8 linear_value_head_dim=8 num_experts=4 '
        'moe_intermediate_size=32 shared_expert_intermediate_size=48 num_experts_per_tok=2',
        'rms_norm_eps=1e-05|1e-06|0.0003 tie_word_embeddings=true|false head_dim=16|32 '
        'partial_rotary_factor=0.25|0.5 linear_conv_kernel_dim=3|4 '
        'linear_num_value_heads=2|4|8 '
        'layer_types=["linear_attention","full_attention","linear_attention","full_attention"]'),
    'qwen35': (
        'Qwen3_5ForCausalLM', 'qwen3_5_text', 'bpe', SMALL,
        'mtp_num_hidden_layers=1 num_hidden_layers=4 num_key_value_heads=2 head_dim=16 '
        'linear_num_value_heads=4 linear_num_key_heads=2 linear_key_head_dim=8 linear_value_head_dim=8',
        'rms_norm_eps=1e-05|1e-06|0.0003 tie_word_embeddings=true|false head_dim=16|32 '
        'linear_conv_kernel_dim=3|4 linear_num_value_heads=2|4|8 '
        'layer_types=["linear_attention","full_attention","linear_attention","full_attention"]'),
    'qwen35moe': (
        'Qwen3_5MoeForCausalLM', 'qwen3_5_moe_text', 'bpe', SMALL,
        'mtp_num_hidden_layers=1 num_hidden_layers=4 num_key_value_heads=2 head_dim=16 '
        'linear_num_value_heads=4 linear_num_key_heads=2 linear_key_head_dim=8 linear_value_head_dim=8 num_experts=4 '
        'moe_intermediate_size=32 shared_expert_intermediate_size=48 num_experts_per_tok=2',
        'rms_norm_eps=1e-05|1e-06|0.0003 tie_word_embeddings=true|false head_dim=16|32 '
        'linear_num_value_heads=2|4|8'),
    'ernie45': (
        'Ernie4_5ForCausalLM', 'ernie4_5', 'spm', SMALL,
        'num_key_value_heads=2 head_dim=16',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 head_dim=8|24|32 use_bias=true|false'),
    'ernie45moe': (
        'Ernie4_5_MoeForCausalLM', 'ernie4_5_moe', 'spm', SMALL,
        'num_hidden_layers=3 num_key_value_heads=2 moe_num_experts=4 moe_k=2 '
        'moe_intermediate_size=32 moe_num_shared_experts=2 moe_layer_start_index=1 '
        'moe_layer_end_index=-1',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 use_bias=true|false moe_layer_interval=1|2 '
        'moe_num_shared_experts=0|1|2 moe_layer_start_index=0|1 head_dim=16|32'),
    'seedoss': (
        'SeedOssForCausalLM', 'seed_oss', 'bpe', SMALL,
        'num_key_value_heads=2 head_dim=16',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 head_dim=8|24|32 attention_bias=true|false '
        'attention_out_bias=true|false mlp_bias=true'),
    'hunyuan': (
        'HunYuanDenseV1ForCausalLM', 'hunyuan_v1_dense', 'bpe', SMALL,
        'num_key_value_heads=2 head_dim=16',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 head_dim=8|24|32 attention_bias=true|false'),
    'gemma': (
        'GemmaForCausalLM', 'gemma', 'spm', SMALL,
        'head_dim=16',
        'num_key_value_heads=1|2|4 rms_norm_eps=1e-05|1e-06|0.0003 head_dim=16|32|8 '
        'attention_bias=false'),
    'gemma2': (
        'Gemma2ForCausalLM', 'gemma2', 'spm', SMALL,
        'head_dim=16',
        'num_key_value_heads=1|2|4 rms_norm_eps=1e-05|1e-06|0.0003 sliding_window=null|64|4096 '
        'head_dim=16|32|8 query_pre_attn_scalar=16|256 final_logit_softcapping=30.0|20.0|null '
        'attn_logit_softcapping=50.0|null'),
    'gemma3': (
        'Gemma3ForCausalLM', 'gemma3_text', 'spm', SMALL,
        'head_dim=16',
        'num_key_value_heads=1|2|4 rms_norm_eps=1e-05|1e-06|0.0003 sliding_window=64|1024 '
        'head_dim=16|32|8 query_pre_attn_scalar=16|256 final_logit_softcapping=30.0|null '
        'layer_types=["sliding_attention","full_attention"] '
        'use_bidirectional_attention=true|false'),
    'gpt2': (
        'GPT2LMHeadModel', 'gpt2', 'bpe', '',
        'n_embd=64 n_layer=2 n_head=4 n_positions=64 n_ctx=64',
        'n_inner=null|96|256 layer_norm_epsilon=1e-06 tie_word_embeddings=true|false '
        'n_head=2|8'),
    'starcoder': (
        'GPTBigCodeForCausalLM', 'gpt_bigcode', 'bpe', '',
        'n_embd=64 n_layer=2 n_head=4 n_positions=64',
        'multi_query=true|true|false n_inner=null|96 layer_norm_epsilon=1e-06 '
        'tie_word_embeddings=true|false'),
    'starcoder2': (
        'Starcoder2ForCausalLM', 'starcoder2', 'bpe', SMALL,
        '',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false use_bias=true|false '
        'sliding_window=null|64 norm_epsilon=1e-06'),
    'falcon': (
        'FalconForCausalLM', 'falcon', 'bpe', '',
        'hidden_size=64 num_hidden_layers=2 num_attention_heads=4',
        'new_decoder_architecture=true|false num_kv_heads=2|4 multi_query=true|false '
        'bias=true|false parallel_attn=true|false num_ln_in_parallel_attn=null|1|2 alibi=false '
        'ffn_hidden_size=96|256 tie_word_embeddings=true|false max_position_embeddings=512'),
    'stablelm': (
        'StableLmForCausalLM', 'stablelm', 'bpe', SMALL,
        '',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false use_qkv_bias=true|false '
        'qk_layernorm=true|false use_parallel_residual=true|false '
        'partial_rotary_factor=0.25|0.5 layer_norm_eps=1e-06'),
    'bert': (
        'BertModel BertForMaskedLM BertForSequenceClassification', 'bert', 'bert', SMALL,
        '',
        'type_vocab_size=1|2 layer_norm_eps=1e-12|1e-05 num_labels=1|3 '
        'position_embedding_type="absolute" tie_word_embeddings=true'),
    'distilbert': (
        'DistilBertModel DistilBertForMaskedLM DistilBertForSequenceClassification', 'distilbert', 'bert', '',
        'dim=64 hidden_dim=96 n_layers=2 n_heads=4 max_position_embeddings=128',
        'sinusoidal_pos_embds=true|false num_labels=1|2'),
    'modernbert': (
        'ModernBertModel ModernBertForMaskedLM ModernBertForSequenceClassification', 'modernbert', 'bpe', SMALL,
        'num_hidden_layers=4',
        'global_attn_every_n_layers=2|3 local_attention=64|128 norm_eps=1e-06 '
        'attention_bias=false mlp_bias=false num_labels=1|3 classifier_pooling="cls"|"mean" '
        'decoder_bias=true'),
    'eurobert': (
        'EuroBertModel', 'eurobert', 'bpe', SMALL,
        'classifier_pooling="mean"',
        'num_key_value_heads=1|2|4 classifier_pooling="bos"|"mean" '
        'rms_norm_eps=1e-05|1e-06|0.0003 head_dim=16'),
    'exaone4': (
        'Exaone4ForCausalLM', 'exaone4', 'bpe', SMALL,
        'num_hidden_layers=4 head_dim=16',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 head_dim=8|24|32 sliding_window=64|4096 '
        'sliding_window_pattern=2|4'),
    'glm': (
        'GlmForCausalLM', 'glm', 'glm', SMALL,
        'head_dim=16 num_key_value_heads=2',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false attention_bias=true|false '
        'head_dim=16|32 partial_rotary_factor=0.5|1.0 rms_norm_eps=1e-05'),
    'glm4': (
        'Glm4ForCausalLM', 'glm4', 'glm', SMALL,
        'head_dim=16 num_key_value_heads=2',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false attention_bias=true|false '
        'head_dim=16|32 partial_rotary_factor=0.5|1.0'),
    'lfm2': (
        'Lfm2ForCausalLM', 'lfm2', 'bpe', SMALL,
        'num_hidden_layers=3 layer_types=["conv","full_attention","conv"]',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false conv_bias=false '
        'block_auto_adjust_ff_dim=true|false block_ffn_dim_multiplier=1.0|1.5 '
        'block_multiple_of=32|256 conv_L_cache=3|4 norm_eps=1e-06'),
    'olmo': (
        'OlmoForCausalLM', 'olmo', 'bpe', SMALL,
        '',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false attention_bias=true|false '
        'clip_qkv=null|8.0'),
    'olmo2': (
        'Olmo2ForCausalLM', 'olmo2', 'bpe', SMALL,
        '',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 attention_bias=false'),
    'olmo3': (
        'Olmo3ForCausalLM', 'olmo3', 'bpe', SMALL,
        'num_hidden_layers=4',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 sliding_window=64|4096 '
        'layer_types=["sliding_attention","full_attention","sliding_attention","full_attention"]'),
    'olmoe': (
        'OlmoeForCausalLM', 'olmoe', 'bpe', SMALL,
        'num_experts=4 num_experts_per_tok=2',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 clip_qkv=null|8.0 num_experts=2|8 norm_topk_prob=true'),
    'granite': (
        'GraniteForCausalLM', 'granite', 'bpe', SMALL,
        '',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 attention_bias=false embedding_multiplier=1.0|12|12.5 '
        'logits_scaling=1.0|8|16.0 residual_multiplier=1.0|0.22 '
        'attention_multiplier=1.0|0.015625 mlp_bias=false'),
    'granitemoe': (
        'GraniteMoeForCausalLM', 'granitemoe', 'bpe', SMALL,
        'num_local_experts=4 num_experts_per_tok=2',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 embedding_multiplier=12 logits_scaling=8 '
        'num_local_experts=2|8'),
    'granitemoeshared': (
        'GraniteMoeSharedForCausalLM', 'granitemoeshared', 'bpe', SMALL,
        'num_local_experts=4 num_experts_per_tok=2 shared_intermediate_size=128',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 embedding_multiplier=12 shared_intermediate_size=64'),
    'cohere': (
        'CohereForCausalLM', 'cohere', 'bpe', SMALL,
        '',
        'num_key_value_heads=1|2|4 use_qk_norm=true|false logit_scale=0.0625|1.0 '
        'layer_norm_eps=1e-06 attention_bias=false tie_word_embeddings=true'),
    'cohere2': (
        'Cohere2ForCausalLM', 'cohere2', 'bpe', SMALL,
        'num_hidden_layers=4 rotary_pct=1.0 tie_word_embeddings=true head_dim=16',
        'num_key_value_heads=1|2|4 logit_scale=0.0625|1.0 sliding_window=64|4096 '
        'layer_norm_eps=1e-06 '
        'layer_types=["sliding_attention","full_attention","sliding_attention","full_attention"] '
        'head_dim=32'),
    'nemotron': (
        'NemotronForCausalLM', 'nemotron', 'spm', SMALL,
        'head_dim=16 num_key_value_heads=2',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false head_dim=8|24|32 '
        'norm_eps=1e-06 partial_rotary_factor=0.5|1.0 mlp_bias=false'),
    'bloom': (
        'BloomForCausalLM BloomModel', 'bloom', 'bpe', '',
        'hidden_size=64 n_layer=2 n_head=4',
        'layer_norm_epsilon=1e-06 tie_word_embeddings=true|false n_head=2|8'),
    'gptoss': (
        'GptOssForCausalLM', 'gpt_oss', 'bpe', SMALL,
        'num_local_experts=4 num_experts_per_tok=2 head_dim=16 num_key_value_heads=2',
        'num_key_value_heads=1|2|4 tie_word_embeddings=true|false '
        'rms_norm_eps=1e-05|1e-06|0.0003 sliding_window=64|128 head_dim=32'),
    'mamba': (
        'MambaForCausalLM', 'mamba', 'bpe', '',
        'hidden_size=64 num_hidden_layers=2 state_size=8',
        'expand=1|2 conv_kernel=3|4 time_step_rank=4|8 use_bias=true|false '
        'layer_norm_epsilon=1e-06 tie_word_embeddings=true|false'),
    'falcon_mamba': (
        'FalconMambaForCausalLM', 'falcon_mamba', 'bpe', '',
        'hidden_size=64 num_hidden_layers=2 state_size=8',
        'expand=1|2 conv_kernel=3|4 time_step_rank=4|8 layer_norm_epsilon=1e-06 '
        'tie_word_embeddings=true|false'),
    'mamba2': (
        'Mamba2ForCausalLM', 'mamba2', 'bpe', '',
        'hidden_size=64 num_hidden_layers=2 state_size=16 num_heads=8 head_dim=16 n_groups=1',
        'n_groups=1|2 conv_kernel=3|4 use_bias=true|false tie_word_embeddings=true|false'),
    'jamba': (
        'JambaForCausalLM', 'jamba', 'spm', SMALL,
        'num_hidden_layers=4 attn_layer_period=2 attn_layer_offset=1 expert_layer_period=2 '
        'expert_layer_offset=1 num_experts=4 mamba_d_state=8 num_key_value_heads=2',
        'num_experts_per_tok=1|2 mamba_d_conv=3|4 mamba_dt_rank=4|8 rms_norm_eps=1e-05 '
        'tie_word_embeddings=true|false mamba_conv_bias=true'),
    'granitehybrid': (
        'GraniteMoeHybridForCausalLM', 'granitemoehybrid', 'bpe', SMALL,
        'num_hidden_layers=4 layer_types=["mamba","attention","mamba","attention"] '
        'mamba_n_heads=8 mamba_d_head=16 mamba_d_state=16 mamba_n_groups=1 '
        'shared_intermediate_size=64 num_local_experts=4 num_experts_per_tok=2',
        'num_local_experts=0|4 num_key_value_heads=1|2 position_embedding_type="rope"|"nope" '
        'embedding_multiplier=12 logits_scaling=8 tie_word_embeddings=true|false'),
    'falcon_h1': (
        'FalconH1ForCausalLM', 'falcon_h1', 'bpe', SMALL,
        'mamba_d_ssm=64 mamba_n_heads=4 mamba_d_head=16 mamba_d_state=16 head_dim=16',
        'num_key_value_heads=1|2|4 mamba_n_groups=1|2 mamba_d_conv=4 mamba_rms_norm=true|false '
        'tie_word_embeddings=true|false'),
}
